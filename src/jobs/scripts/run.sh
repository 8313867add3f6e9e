# Runs one command, keeps what it writes and publishes it in pieces below ~/Downloads.
#
# Comes in as KMCP_BOOT, with its values beside it in the environment (base64 where marked *;
# lists end each entry with NUL):
#   KMCP_ID       names the folder                KMCP_CMD*    the script to run
#   KMCP_ARGS*    its positional parameters       KMCP_STDIN*  its standard input
#   KMCP_ENV*     NAME=value entries              KMCP_CWD*    where it runs
#   KMCP_ROOTS*   folders KMCP_CWD must lie in    KMCP_BARRED* folders it must not lie in
#   KMCP_SECONDS  time limit                      KMCP_KEEP    bytes kept of each stream
#   KMCP_HOME     home of the session's user      KMCP_SWEEP   folders to remove
#   KMCP_RELAY    where to post the pieces instead of waiting for somebody to fetch them
#
# A piece is a file named by the offset of its first byte in all that was published:
#   kmcp1 OFFSET STDOUT_BYTES STDERR_BYTES running
#   kmcp1 OFFSET STDOUT_BYTES STDERR_BYTES ended WHY STATUS MILLISECONDS STDOUT_CUT STDERR_CUT
# and then the bytes. It appears by rename, so whoever sees it sees all of it. An empty one is the last, of a
# job that could not begin, or whose end could not be written, because the disk is full.
set -u
umask 077
decoded() { [ -z "${1-}" ] || printf %s "$1" | base64 -d; }
# When process $1 began. Its number can come again after a restart of the container, with another time.
birth() {
    local line
    read -r line 2>/dev/null <"/proc/$1/stat" || return
    set -- ${line##*) }
    echo "${20}"
}
# Sets `now`, milliseconds.
clock() {
    now=${EPOCHREALTIME-}
    if [ -n "$now" ]; then now=${now//[!0-9]/} && now=$((now / 1000)); else now=$((SECONDS * 1000)); fi
}
# Every process that is started here is waited for by whoever asked: bash does what it can itself.
clock
began=$now
home=${HOME:-/}
[ -d "${KMCP_HOME-}" ] && home=$KMCP_HOME
base=$home/Downloads
dir=$base/.kmcp-$KMCP_ID
keep=$KMCP_KEEP
[ -d "$base" ] || mkdir -p "$base"
mkdir "$dir" || exit 1
owner=
if [ "$EUID" = 0 ]; then
    owner=$(stat -c %u:%g "$base")
    chown "$owner" "$dir"
fi
: >"$dir/out"
: >"$dir/err"
pos=0 out_sent=0 err_sent=0 out_size=0 err_size=0 out_cut=0 err_cut=0 pieces=0 news= held_sizes= held_since=0

measure() {
    local sizes
    sizes=$(stat -c %s "$dir/out" "$dir/err") || return
    out_size=${sizes%%$'\n'*} err_size=${sizes##*$'\n'}
    [ "$out_size" -le "$keep" ] || out_size=$keep out_cut=1
    [ "$err_size" -le "$keep" ] || err_size=$keep err_cut=1
}
# Sets `part`: how many bytes before $2 in the stream $1 begin a character of UTF-8 and do not end it. $3 were sent.
partial() {
    local last from=$(($2 - 2))
    part=0
    [ "$from" -gt 0 ] || from=1
    last=$(tail -c "+$from" "$dir/$1" | head -c $(($2 - from + 1)) | od -An -tx1 | tr -d '\n')
    case $last in
    *' c'[2-9a-f] | *' d'? | *' e'? | *' f'[0-4]) part=1 ;;
    *' e'?' '[89ab]? | *' f'[0-4]' '[89ab]?) part=2 ;;
    *' f'[0-4]' '[89ab]?' '[89ab]?) part=3 ;;
    esac
    # What went out is not taken back.
    [ $(($2 - part)) -ge "$3" ] || part=0
}
# Leaves the beginning of a character for the piece that has the rest of it. When nothing more comes for a
# while it is no character, and goes out as it is.
hold_back() {
    local part sizes="$out_size $err_size"
    clock
    [ "$sizes" = "$held_sizes" ] || held_sizes=$sizes held_since=$now
    [ $((now - held_since)) -lt 2000 ] || return
    if [ "$out_size" -gt "$out_sent" ]; then partial out "$out_size" "$out_sent" && out_size=$((out_size - part)); fi
    if [ "$err_size" -gt "$err_sent" ]; then partial err "$err_size" "$err_sent" && err_size=$((err_size - part)); fi
}
slice() { [ "$3" = 0 ] || tail -c "+$(($2 + 1))" "$dir/$1" | head -c "$3"; }
publish() {
    local out=$((out_size - out_sent)) err=$((err_size - err_sent))
    {
        printf 'kmcp1 %d %d %d %s\n' "$pos" "$out" "$err" "$1" &&
            slice out "$out_sent" "$out" && slice err "$err_sent" "$err"
    } >"$dir/.piece" 2>/dev/null || return
    [ -z "$owner" ] || chown "$owner" "$dir/.piece"
    mv -f "$dir/.piece" "$dir/$pos"
    pos=$((pos + out + err)) out_sent=$out_size err_sent=$err_size pieces=$((pieces + 1))
    [ -z "$news" ] || echo >&"$news"
}
finish() {
    local rest
    [ ! -e "$dir/out.cut" ] || out_cut=1
    [ ! -e "$dir/err.cut" ] || err_cut=1
    clock
    rest="$1 $2 $((now - began))"
    publish "ended $rest $out_cut $err_cut" && return
    # No room: what was not published yet makes way for the news that it is over.
    out_size=$out_sent err_size=$err_sent
    rm -f "$dir/.piece" "$dir/out" "$dir/err" "$dir/in"
    publish "ended $rest 1 1" && return
    # Not even for that: a file without content needs no room, and says so.
    rm -f "$dir/.piece"
    : >"$dir/$pos"
}

post() {
    local url=$KMCP_RELAY/$2 kind='Content-Type: application/octet-stream' place host port socket answer
    if command -v curl >/dev/null; then
        curl -fsS -m 60 -o /dev/null -H "$kind" -H 'Expect:' --data-binary "@$1" "$url"
    elif command -v wget >/dev/null; then
        wget -q -T 60 -O /dev/null --header="$kind" --post-file="$1" "$url"
    else
        case $url in http://*) ;; *) return 1 ;; esac
        place=${url#http://}
        host=${place%%/*} port=80
        case $host in *:*) port=${host##*:} host=${host%:*} ;; esac
        exec {socket}<>"/dev/tcp/$host/$port" || return 1
        {
            printf 'POST /%s HTTP/1.1\r\nHost: %s\r\n%s\r\n' "${place#*/}" "${place%%/*}" "$kind"
            printf 'Content-Length: %s\r\nConnection: close\r\n\r\n' "$(stat -c %s "$1")"
            cat "$1"
        } >&"$socket"
        read -r -t 60 -u "$socket" answer
        exec {socket}>&-
        case $answer in *' 20'*) ;; *) return 1 ;; esac
    fi
}
send() {
    local at=0 pause=0.1 magic offset out err state rest tries=0 greeted=
    while :; do
        if [ -e "$dir/$at" ]; then
            if post "$dir/$at" "$at"; then tries=0; else
                tries=$((tries + 1))
                [ "$tries" -lt 3 ] || return
                sleep 1
                continue
            fi
            read -r magic offset out err state rest <"$dir/$at"
            [ "$state" = running ] || return
            at=$((offset + out + err)) pause=0.1
        else
            [ -d "$dir" ] || return
            # A new piece ends the wait.
            read -r -t "$pause" -u "$news" _
            case $pause in 0.1) pause=0.2 ;; *) pause=0.3 ;; esac
            # Nothing to tell yet; that posts arrive is worth knowing.
            if [ "$pause" = 0.3 ] && [ -z "$greeted" ]; then
                greeted=1
                : >"$dir/.hello" && post "$dir/.hello" hello
            fi
        fi
    done
}

# Whether the folder $1 lies in one of the listed ones, once links are followed.
listed() {
    local entry real
    while IFS= read -r -d '' entry; do
        real=$(cd -P -- "$entry" 2>/dev/null && printf '%s.' "$PWD") || real=$entry.
        for entry in "$entry" "${real%.}"; do
            case $1 in "${entry%/}" | "${entry%/}"/*) return 0 ;; esac
        done
    done < <(decoded "$2")
    return 1
}
enter() {
    local folder
    folder=$(decoded "$KMCP_CWD" && printf .)
    cd -P -- "${folder%.}" 2>>"$dir/err" || return
    if listed "$PWD" "$KMCP_ROOTS" && ! listed "$PWD" "${KMCP_BARRED-}"; then return 0; fi
    printf '%s is outside the allowed folders\n' "$PWD" >>"$dir/err"
    return 1
}
if [ -n "${KMCP_CWD-}" ] && ! enter; then
    measure
    finish folder -
    exit
fi

# The child gets what it needs, and nothing of Kasm's or ours.
prepare() {
    local entry name
    while IFS= read -r -d '' entry; do export "$entry"; done < <(decoded "${KMCP_ENV-}")
    set --
    while IFS= read -r -d '' entry; do set -- "$@" "$entry"; done < <(decoded "${KMCP_ARGS-}")
    entry=$(decoded "$KMCP_CMD" && printf .)
    [ "$EUID" = 0 ] || export HOME="$home"
    export DISPLAY="${DISPLAY:-:1}"
    # What the command starts is known by this, wherever it goes.
    export KASM_MCP_JOB="$KMCP_ID"
    for name in "${!KMCP_@}" "${!KASM_API_@}" VNC_PW VNC_VIEW_ONLY_PW BASH_ENV ENV; do unset "$name"; done
    umask 022
    exec bash --noprofile --norc -c "${entry%.}" bash "$@"
}
# Keeps as much as it may of a stream and swallows the rest, so that the writer never stalls.
stream() {
    trap '' XFSZ
    if ! (ulimit -f $((keep / 1024 + 1)) && exec cat >"$dir/$1") 2>/dev/null; then
        : >"$dir/$1.cut"
        cat >/dev/null
    fi
    echo "$1" >&"$bell"
}
input=/dev/null
if [ -n "${KMCP_STDIN-}" ]; then
    input=$dir/in
    if ! decoded "$KMCP_STDIN" >"$input"; then
        rm -f "$input"
        : >"$dir/0"
        exit
    fi
fi

# Every event rings here: `exit STATUS`, and `out` or `err` when that stream is closed.
exec {bell}<> <(:)
exec {out}> >(stream out) {err}> >(stream err)
(
    set -m
    prepare <"$input" >&"$out" 2>&"$err" {out}>&- {err}>&- {bell}>&- &
    child=$!
    set +m
    echo "$child $$ $(birth $$)" >"$dir/.pid" && mv "$dir/.pid" "$dir/pid"
    exec {out}>&- {err}>&-
    wait "$child"
    echo "exit $?" >&"$bell"
) &
exec {out}>&- {err}>&-
if [ -n "${KMCP_RELAY-}" ]; then
    exec {news}<> <(:)
    send &
fi

# Signals the command and all it started.
signal() {
    local child
    read -r child _ 2>/dev/null <"$dir/pid" || return
    find_members "$KMCP_ID" "$child"
    send_signal "$1" "$child"
}
status= open=2 why=exited tick=0.1 kill_at= begun=
until [ -n "$status" ] && [ "$open" = 0 ]; do
    event=
    if IFS= read -r -t "$tick" -u "$bell" event; then
        event=$begun$event begun=
        case $event in
        exit*) status=${event#exit } tick=0.3 ;;
        *) open=$((open - 1)) ;;
        esac
        continue
    fi
    # On a busy machine the time can be up in the middle of a line.
    begun=$begun$event
    # Something that lives on holds the streams: the command itself is over.
    [ -z "$status" ] || break
    measure
    hold_back
    if [ "$out_size" -gt "$out_sent" ] || [ "$err_size" -gt "$err_sent" ]; then
        publish running
        if [ "$pieces" -lt 200 ]; then tick=0.25; elif [ "$pieces" -lt 1000 ]; then tick=0.5; else tick=1; fi
    else
        case $tick in 0.1) tick=0.15 ;; 0.15) tick=0.25 ;; 0.25) tick=0.5 ;; esac
    fi
    if [ -n "$kill_at" ]; then
        if [ "$SECONDS" -ge "$kill_at" ]; then signal KILL; fi
    elif [ "$SECONDS" -ge "$KMCP_SECONDS" ]; then
        why=time kill_at=$((SECONDS + 5))
        signal TERM
    fi
done
if [ "$why" = time ]; then
    # What is in a session of its own has not ended with the command.
    while find_members "$KMCP_ID" '' && [ -n "$members" ]; do
        if [ "$SECONDS" -ge "$kill_at" ]; then send_signal KILL '' && break; fi
        sleep 0.1
    done
fi
[ ! -e "$dir/stopped" ] || why=stopped
measure
finish "$why" "$status"
for id in ${KMCP_SWEEP-}; do rm -rf -- "$base/.kmcp-$id"; done
find "$base" -maxdepth 1 -name '.kmcp-*' -mmin +1440 -exec rm -rf -- {} + 2>/dev/null
