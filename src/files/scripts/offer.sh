# offer PATH FOLDER: links a file into a folder below ~/Downloads, to be fetched there as `file`.
# SIZE MTIME SHA256 on stdout.
permit "$1"
readable
before=$(facts)
whole=$(hash_of "$real") || fail 50 "it cannot be read"
[ "$before" = "$(facts)" ] || fail 47
message=$(umask 077 && mkdir -- "$HOME/Downloads/$2" && ln -s -- "$real" "$HOME/Downloads/$2/file" 2>&1) || fail 50 "$message"
read -r size modified _ <<<"$before"
printf '%s %s %s' "$size" "$modified" "$whole"
