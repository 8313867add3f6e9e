# Finds the processes of a job, wherever they went.

# Sets `members` to the living processes of job $1, and `outside` to those that are not in its process group $2. A
# process belongs to the job if it has the job's mark in its environment, is in the group, was started by one that
# belongs, or is in the session of one. Who belonged once stays, so that nobody is lost when a parent ends first.
members= outside= member_births=()
find_members() {
    local job=$1 group=$2 file pid line entries grown=1
    local -a parents=() sessions=() groups=() births=() found=()
    for file in /proc/[0-9]*; do
        pid=${file#/proc/} line=
        IFS= read -r -d '' line 2>/dev/null <"$file/stat"
        set -- ${line##*) }
        case ${1-Z} in Z | X | x) continue ;; esac
        parents[pid]=$2 groups[pid]=$3 sessions[pid]=$4 births[pid]=${20}
        if [ "$3" = "$group" ] || [ "${member_births[pid]-}" = "${20}" ]; then
            found[pid]=1
            continue
        fi
        entries=
        IFS= read -r -d $'\1' entries 2>/dev/null <"$file/environ"
        case $entries in *"KASM_MCP_JOB=$job"*) found[pid]=1 ;; esac
    done
    while [ -n "$grown" ]; do
        grown=
        for pid in "${!parents[@]}"; do
            if [ -z "${found[pid]-}" ] && [ -n "${found[parents[pid]]-}${found[sessions[pid]]-}" ]; then
                found[pid]=1 grown=1
            fi
        done
    done
    members= outside= member_births=()
    for pid in "${!found[@]}"; do
        members+=" $pid" member_births[pid]=${births[pid]}
        [ "${groups[pid]}" = "$group" ] || outside+=" $pid"
    done
}
# Sends a signal to all of them. The group gets it at once: a script whose current command ends first would go on
# with the next one.
send_signal() {
    [ -z "$2" ] || kill -s "$1" -- "-$2" 2>/dev/null
    [ -z "$outside" ] || kill -s "$1" -- $outside 2>/dev/null
    :
}
