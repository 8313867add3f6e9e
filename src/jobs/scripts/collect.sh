# Tells what a job has published from an offset on, as one piece: collect ID OFFSET LIMIT SECONDS.
#
# Waits up to SECONDS for something to tell. Takes at most LIMIT bytes. A job whose wrapper is gone
# without an end is `lost`. Exits with 60 if there is no such job, with 61 if it never had such an offset.
set -u
export LC_ALL=C
dir=$HOME/Downloads/.kmcp-$1 from=$2 limit=$3 patience=$((SECONDS + $4))
[ -d "$dir" ] || exit 60
out=$(mktemp) && err=$(mktemp) || exit 50
trap 'rm -f "$out" "$err"' EXIT

# Reads the head of the piece at an offset.
head_of() {
    IFS= read -r line <"$dir/$1" 2>/dev/null || return
    read -r _ offset out_bytes err_bytes state rest <<<"$line"
    length=$((out_bytes + err_bytes))
}
# Where the piece begins that has the byte at $from, or would have it next.
locate() {
    at=$from
    [ ! -e "$dir/$at" ] || return 0
    at=0
    while head_of "$at"; do
        [ "$from" -ge $((at + length)) ] && [ "$state" = running ] || return 0
        at=$((at + length))
    done
    [ "$from" = "$at" ]
}
# Copies $3 bytes of the piece from the $2nd on.
copy() { [ "$3" -le 0 ] || tail -c "+$((${#line} + 2 + $2))" "$dir/$1" | head -c "$3"; }
taken=0 told=running
gather() {
    local skip take first
    while head_of "$at"; do
        skip=$((from + taken - at)) take=$((limit - taken))
        [ "$skip" -le "$length" ] || skip=$length
        [ "$take" -le $((length - skip)) ] || take=$((length - skip))
        first=$((out_bytes - skip))
        [ "$first" -ge 0 ] || first=0
        [ "$first" -le "$take" ] || first=$take
        copy "$at" "$skip" "$first" >>"$out"
        copy "$at" $((skip + first)) $((take - first)) >>"$err"
        taken=$((taken + take))
        [ $((skip + take)) = "$length" ] || return
        if [ "$state" = ended ]; then
            told="ended $rest"
            return
        fi
        at=$((at + length))
    done
}
# When process $1 began. Its number can come again after a restart of the container, with another time.
birth() {
    local line
    read -r line 2>/dev/null <"/proc/$1/stat" || return
    set -- ${line##*) }
    echo "${20}"
}
alive() {
    local wrapper born
    read -r _ wrapper born 2>/dev/null <"$dir/pid" || return 0
    [ "$(birth "$wrapper")" = "$born" ]
}
locate || exit 61
while :; do
    was_alive=1
    alive || was_alive=
    gather
    [ "$taken" = 0 ] && [ "$told" = running ] || break
    if [ -z "$was_alive" ]; then
        told=lost
        break
    fi
    [ "$SECONDS" -lt "$patience" ] || break
    sleep 0.2
done
printf 'kmcp1 %d %d %d %s\n' "$from" "$(stat -c %s "$out")" "$(stat -c %s "$err")" "$told"
cat "$out" "$err"
