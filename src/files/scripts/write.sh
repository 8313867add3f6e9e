# write PATH MODE APPEND NEW_SHA256 OLD_SHA256 SOURCE...: puts the sources, or stdin, into a file by rename.
#
# NEW_SHA256 is of what is sent. With OLD_SHA256 the file must still be what it was. Sources are names
# below the home folder that may still be on their way; they are removed. SIZE MODE SHA256 on stdout.
path=$1 mode=$2 append=$3 new=$4 old=$5
shift 5
sources=() fresh=
for name; do sources+=("$HOME/$name"); done
clean() {
    [ -z "$fresh" ] || rm -f -- "$fresh" "$fresh+"
    [ "${#sources[@]}" = 0 ] || rm -f -- "${sources[@]}"
}
trap clean EXIT
permit "$path"
[ ! -d "$real" ] || fail 41
if [ -e "$real" ]; then
    [ -f "$real" ] || fail 45
    [ -w "$real" ] || fail 42
elif [ -n "$old" ]; then
    fail 47
fi
parent=${real%/*}
message=$(mkdir -p -- "${parent:-/}" 2>&1) || fail 50 "$message"
fresh=$(mktemp "$parent/.kmcp-XXXXXXXX" 2>&1) || { message=$fresh fresh=; fail 50 "$message"; }
for source in "${sources[@]}"; do
    for ((n = 0; n < 200; n++)); do
        [ ! -e "$source" ] || break
        sleep 0.1
    done
    [ -e "$source" ] || fail 46 "a part did not arrive"
    [ -s "$source" ] || fail 50 "No space left on device"
done
if [ "${#sources[@]}" = 1 ]; then
    message=$(mv -f -- "${sources[0]}" "$fresh" 2>&1) || fail 50 "$message"
else
    message=$(cat -- "${sources[@]:--}" 2>&1 >"$fresh") || fail 50 "$message"
fi
[ "$(hash_of "$fresh")" = "$new" ] || fail 46
if [ "$append" = 1 ] && [ -e "$real" ]; then
    message=$(cat -- "$real" "$fresh" 2>&1 >"$fresh+") || fail 50 "$message"
    mv -f -- "$fresh+" "$fresh"
fi
if [ -z "$mode" ]; then
    mode=644
    [ ! -e "$real" ] || mode=$(stat -c %a -- "$real")
fi
message=$(chmod "$mode" "$fresh" 2>&1) || fail 50 "$message"
sync -- "$fresh" 2>/dev/null
whole=$(hash_of "$fresh")
size=$(stat -c %s -- "$fresh")
if [ -n "$old" ] && [ "$(hash_of "$real")" != "$old" ]; then fail 47; fi
message=$(mv -fT -- "$fresh" "$real" 2>&1) || fail 50 "$message"
fresh=
printf '%s %s %s' "$size" "$mode" "$whole"
