# What every file script begins with. Its arguments: the number of allowed folders, these, the number of
# barred ones, these, and then what the script itself takes.
#
# Exit codes: 40 missing, 41 a folder, 42 no permission, 43 outside the allowed folders, 44 barred,
# 45 no regular file, 46 not what was sent, 47 changed meanwhile, 48 no folder, 50 told on stderr.
set -u
export LC_ALL=C
umask 022
fail() {
    local code=$1
    shift
    printf %s "$*" >&2
    exit "$code"
}
# Sets `real` to where a path leads once links are followed. What is missing at its end stays as it is.
follow() {
    local path=$1 missing='' link
    while ! link=$(readlink -f -- "$path" 2>/dev/null && printf .); do
        missing=/${path##*/}$missing path=${path%/*}
        [ -n "$path" ] || path=/
    done
    link=${link%$'\n'.}
    real=${link%/}$missing
    [ -n "$real" ] || real=/
}
roots=() barred=()
for ((n = $1; n > 0; n--)); do
    follow "$2" && roots+=("$2" "$real") && set -- "$1" "${@:3}"
done
shift
for ((n = $1; n > 0; n--)); do
    follow "$2" && barred+=("$2" "$real") && set -- "$1" "${@:3}"
done
shift
inside() {
    local path=$1 folder
    shift
    for folder; do
        case $path in "${folder%/}" | "${folder%/}"/*) return 0 ;; esac
    done
    return 1
}
# Sets `real`, or gives up.
permit() {
    follow "$1"
    inside "$real" "${roots[@]}" || fail 43 "$real"
    if [ "${#barred[@]}" -gt 0 ] && inside "$real" "${barred[@]}"; then fail 44 "$real"; fi
}
# Gives up unless `real` is a file that can be read.
readable() {
    [ -e "$real" ] || fail 40
    [ ! -d "$real" ] || fail 41
    [ -f "$real" ] || fail 45
    [ -r "$real" ] || fail 42
}
hash_of() {
    local line
    line=$(sha256sum <"$1") && printf %s "${line%% *}"
}
facts() { stat -c '%s %Y %y %z %i' -- "$real"; }
