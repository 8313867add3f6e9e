# list PATH DEPTH BYTES: entries as `TYPE SIZE MTIME MODE NAME`, NUL, `LINK_TARGET`, NUL; at most BYTES.
permit "$1"
[ -e "$real" ] || fail 40
[ -d "$real" ] || fail 48
[ -r "$real" ] && [ -x "$real" ] || fail 42
skip=()
for folder in "${barred[@]}"; do skip+=(-path "${folder//[\\*?[]/?}" -prune -o); done
form='%y %s %T@ %m %P\0%l\0'
if find "$real" -maxdepth 0 -printf '' 2>/dev/null; then
    find "$real" -mindepth 1 -maxdepth "$2" "${skip[@]}" -printf "$form" 2>/dev/null | head -c "$3"
    exit 0
fi
# Without GNU find.
walk() {
    local entry kind target
    for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
        if [ -L "$entry" ]; then kind=l; elif [ -d "$entry" ]; then kind=d; elif [ -f "$entry" ]; then kind=f; else kind='?'; fi
        [ "$kind" != '?' ] || [ -e "$entry" ] || continue
        ! inside "$entry" "${barred[@]}" || continue
        target=
        [ "$kind" != l ] || target=$(readlink -- "$entry")
        printf '%s %s %s\0%s\0' "$kind" "$(stat -c '%s %Y %a' -- "$entry")" "${entry#"$real"/}" "$target"
        if [ "$kind" = d ] && [ "$2" -gt 1 ]; then walk "$entry" $(($2 - 1)); fi
    done
}
walk "$real" "$2" | head -c "$3"
