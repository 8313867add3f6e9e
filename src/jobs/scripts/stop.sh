# Ends a job: stop ID SIGNAL. Says `signalled`, `killed` or `over`. TERM becomes KILL after five seconds.
# Exits with 60 if there is no such job.
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
[ "$(birth "$wrapper")" = "$born" ] && kill -0 -- "-$child" 2>/dev/null || { echo over && exit; }
case $2 in TERM | KILL | INT | HUP | QUIT) : >"$dir/stopped" ;; esac
kill -s "$2" -- "-$child" || { echo over && exit; }
if [ "$2" = TERM ]; then
    for _ in {1..50}; do
        kill -0 -- "-$child" 2>/dev/null || { echo signalled && exit; }
        sleep 0.1
    done
    kill -s KILL -- "-$child" 2>/dev/null
    echo killed
else
    echo signalled
fi
