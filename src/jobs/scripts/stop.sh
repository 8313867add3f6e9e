# Ends a job: stop ID SIGNAL HOME, after members.sh. TERM becomes KILL after five seconds.
#
# Says `over`, `signalled` or `killed` and how many processes are left, then these, a line for each of the first few:
# number and name. Exits with 60 if there is no such job.
set -u
dir=$HOME/Downloads/.kmcp-$1
if [ "$EUID" = 0 ] && [ ! -d "$dir" ]; then dir=$3/Downloads/.kmcp-$1; fi
[ -d "$dir" ] || exit 60
# When process $1 began. Its number can come again after a restart of the container, with another time.
birth() {
    local line
    read -r line 2>/dev/null <"/proc/$1/stat" || return
    set -- ${line##*) }
    echo "${20}"
}
read -r child wrapper born 2>/dev/null <"$dir/pid" || exit 60
# Without the wrapper the number of the group may be somebody else's. The mark is nobody else's.
[ "$(birth "$wrapper")" = "$born" ] || child=
find_members "$1" "$child"
[ -n "$members" ] || { echo over 0 && exit; }
case $2 in TERM | KILL | INT | HUP | QUIT) : >"$dir/stopped" ;; esac
send_signal "$2" "$child"
said=signalled
case $2 in
TERM)
    # A process that is stopped sees a signal only when it goes on.
    send_signal CONT "$child"
    end=$((SECONDS + 5))
    while find_members "$1" "$child" && [ -n "$members" ] && [ "$SECONDS" -lt "$end" ]; do sleep 0.1; done
    ;;
KILL) ;;
*)
    sleep 0.1
    find_members "$1" "$child"
    ;;
esac
case $2 in
TERM | KILL)
    for ((n = 0; n < 20; n++)); do
        [ -n "$members" ] || break
        said=killed
        send_signal KILL "$child"
        sleep 0.05
        find_members "$1" "$child"
    done
    ;;
esac
set -- $members
echo "$said $#"
for pid in "${@:1:20}"; do
    name=
    read -r name 2>/dev/null <"/proc/$pid/comm"
    echo "$pid $name"
done
