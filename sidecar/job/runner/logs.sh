# shellcheck shell=bash disable=SC2034,SC2154 # one program with the other files of this folder
#
# When the logs grew, and to which size. See sidecar/job/logtimes.py.

# Append "<epoch seconds> <size>" to the index of every log that has grown.
sidecar_index_logs() {
    local now size log
    printf -v now '%(%s)T' -1
    while read -r size log; do
        [[ ${sidecar_sizes[$log]-0} != "$size" ]] || continue
        sidecar_sizes[$log]=$size
        printf '%s %s\n' "$now" "$size" >>"${log%.log}.index"
    done < <(stat -c '%s %n' "$sidecar_directory"/logs/*.[0-9]*.log 2>/dev/null)
}
declare -A sidecar_sizes=()

# Runs beside the containers. Should the job's first shell be killed, it also takes down what that left.
sidecar_watch() {
    local line
    trap '' TERM
    exec 2>/dev/null # what is killed at the end is nobody's news
    while :; do
        sleep 1
        sidecar_index_logs
        read -r line <"/proc/$BASHPID/stat"
        line=${line##*) }
        [[ ${line:2} == "$$ "* ]] || break # its parent is another one now
    done
    sidecar_kill_rest
    sidecar_clean
}
