# read PATH OFFSET LIMIT HASH_MAX: the bytes on stdout; SIZE MTIME MODE BYTES_SHA256 FILE_SHA256 on stderr.
permit "$1"
readable
before=$(facts)
size=${before%% *}
piece=$(mktemp) || fail 50
trap 'rm -f "$piece"' EXIT
message=$({ tail -c "+$(($2 + 1))" -- "$real" | head -c "$3"; } 2>&1 >"$piece") || true
[ -z "$message" ] || fail 50 "$message"
whole=-
[ "$size" -gt "$4" ] || whole=$(hash_of "$real")
[ "$before" = "$(facts)" ] || fail 47
printf '%s %s %s %s' "$size" "$(stat -c '%Y %a' -- "$real")" "$(hash_of "$piece")" "$whole" >&2
cat "$piece"
