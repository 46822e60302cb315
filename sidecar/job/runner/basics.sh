# shellcheck shell=bash disable=SC2034,SC2154 # one program with the other files of this folder
#
# Beginning and end of the job: the claim, the report, private directories, and leaving nothing behind.
#
# All files of this folder are one program: they are put into every batch script, before the pod's own data, and
# work with bash 4.4. Names begin with sidecar_, so that neither the admin's nor the user's shell text meets them.

sidecar_stopping= # not empty once somebody asked the job to stop
sidecar_heed=:    # what to look after while waiting, see sidecar_await
sidecar_running=  # not empty once containers may run
declare -A sidecar_pipes=() # the open ones of sidecar_spawn

# sidecar_report [FACT FIELDS]...: a line of JSON each, all in one write, so that nobody reads one without the other.
# The fields are names and numbers that need no escaping.
sidecar_report() {
    local now=${EPOCHREALTIME:-} text=
    [[ -n $now ]] || now=$(date +%s.%N)
    now=${now/,/.} # some locales have a comma there
    while [[ $# -gt 0 ]]; do
        text+="{\"fact\":\"$1\",\"at\":${now:0:14},$2}"$'\n'
        shift 2
    done
    printf '%s' "$text" >>"$sidecar_directory/report.jsonl"
}

# sidecar_report_stopping [FACT FIELDS]...: before these, say that the job was asked to stop, unless that was said. What
# ends afterwards may not have done so by itself; with a signal to all processes, anybody may be the first to know.
sidecar_report_stopping() {
    flock 9
    [[ $(<"$sidecar_directory/report.jsonl") == *'"fact":"job_stopping"'* ]] || set -- job_stopping '"signal":"TERM"' "$@"
    sidecar_report "$@"
} 9>"$sidecar_private/stopping.lock"

# Take possession of the pod, or leave without a trace: exactly one job runs a pod, whatever Slurm did.
sidecar_begin() {
    unset SLURM_JWT # the sidecar's own key to Slurm, where it has one
    sidecar_umask=$(umask)
    umask 077
    sidecar_job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
    sidecar_job=${sidecar_job:-${SLURM_JOB_ID:?this script is a Slurm job}}
    sidecar_directory=$sidecar_pod_directory
    if [[ -d $sidecar_directory ]]; then
        sidecar_claim
    elif [[ $sidecar_shared == yes ]]; then
        sidecar_leave "the pod's directory is gone"
    else
        sidecar_directory=
    fi
    sidecar_make_private
    sidecar_deadline=0
    [[ $sidecar_deadline_seconds -eq 0 ]] || sidecar_deadline=$(($(date +%s) + sidecar_deadline_seconds))
    sidecar_node=${SLURMD_NODENAME:-${HOSTNAME:-}}
    sidecar_report job_started "\"job\":\"$sidecar_job\",\"node\":\"${sidecar_node//[^A-Za-z0-9._-]/}\""
    umask "$sidecar_umask"
}

sidecar_claim() {
    local claim=$sidecar_directory/claim owner=
    [[ ! -e $sidecar_directory/deleted ]] || sidecar_leave "the pod was deleted"
    if (set -o noclobber && printf '%s\n' "$sidecar_job" >"$claim") 2>/dev/null; then return; fi
    if [[ ! -e $claim ]]; then
        echo "slurm-sidecar: the claim file $claim cannot be written; is the file system full or read-only?" >&2
        exit 1
    fi
    read -r owner <"$claim"
    # Its own id is there when Slurm runs the same job again.
    [[ $owner == "$sidecar_job" ]] || sidecar_leave "job ${owner:-unknown} has claimed the pod"
}

sidecar_leave() {
    echo "slurm-sidecar: job $sidecar_job runs nothing: $1"
    exit 0
}

# sidecar_give_up SENTENCE: no container of this pod can start; the user reads why in their logs.
sidecar_give_up() {
    local name
    echo "slurm-sidecar: $1" >&2
    for name in "${sidecar_init_containers[@]}" "${sidecar_main_containers[@]}"; do
        echo "slurm-sidecar: $1" >>"$sidecar_directory/logs/$name.0.log"
        sidecar_report container_terminated "\"container\":\"$name\",\"attempt\":0,\"code\":128"
    done
    exit 128
}

# A directory of this job alone on the node, for TMPDIR and for what no other node needs to see.
sidecar_make_private() {
    sidecar_private=$(mktemp -d "${TMPDIR:-/tmp}/slurm-sidecar.XXXXXXXX") || exit 1
    sidecar_memory=
    trap sidecar_finish EXIT
    trap sidecar_stop_early TERM
    mkdir "$sidecar_private/tmp" "$sidecar_private/work" || exit 1
    if [[ -z $sidecar_directory ]]; then
        sidecar_directory=$sidecar_private/pod
        mkdir -p "$sidecar_directory/logs" || exit 1
    fi
    sidecar_files=$sidecar_directory
    [[ $sidecar_shared == yes ]] || sidecar_files=$sidecar_private/files
    export TMPDIR=$sidecar_private/tmp
}

# Somebody asked the job to stop while the admin's or the user's shell text was running.
sidecar_stop_early() {
    sidecar_stopping=yes
    sidecar_report job_stopping '"signal":"TERM"'
    exit 143
}

# The EXIT trap, whatever the reason.
sidecar_finish() {
    local code=$?
    trap - EXIT
    trap '' TERM
    sidecar_defaults
    [[ -z ${sidecar_user_exit-} ]] || (eval "$sidecar_user_exit")
    if [[ -z $sidecar_running && $code -eq 0 ]]; then
        echo "slurm-sidecar: the shell text before the containers ended the job" >&2
        code=1
    fi
    disown -a # or bash tells of each one it kills
    sidecar_kill_rest
    sidecar_index_logs
    sidecar_report job_finished "\"code\":$code"
    sidecar_clean
    exit "$code"
}

# The user's shell text may have changed any of these.
sidecar_defaults() {
    set +efu +o pipefail +o posix
    shopt -u failglob nullglob nocasematch
    IFS=$' \t\n'
    umask 077
}

sidecar_clean() {
    local directory
    for directory in "$sidecar_private" $sidecar_memory; do
        chmod -R u+rwX "$directory" # containers may have left directories that nobody can empty
        rm -rf "$directory"
    done 2>/dev/null
    sidecar_clean_ranks
    rm -rf "$sidecar_data_root/.images/$EUID"/*.{part,used}."$sidecar_job".*
}

# sidecar_spawn COMMAND...: run it in the background; its process is sidecar_pid, its code comes out of sidecar_pipe.
# Not "&" and "wait": a signal that ends a wait at the wrong instant makes bash forget that the child has ended.
sidecar_spawn() {
    exec {sidecar_pipe}< <(
        for sidecar_pipe in "${!sidecar_pipes[@]}"; do exec {sidecar_pipe}<&-; done
        sidecar_pipes=()
        "$@" </dev/null >&2
        printf '\n%s\n' "$?" # see sidecar_await
    )
    sidecar_pid=$!
    sidecar_pipes[$sidecar_pipe]=open
}

# sidecar_await PIPE: return the code of what was spawned (137 if it was killed); meanwhile, heed what asks for
# attention, such as a request to stop. Not in the trap: bash runs it inside of "read", and when that one's time is up, it leaves the trap unfinished.
# An empty line comes before the code: a read whose time is up halfway through "143" would leave "43" to the next.
sidecar_await() {
    local pipe=$1 code='' status=129
    while [[ $status -gt 128 ]]; do # more than 128: nothing came yet
        "$sidecar_heed"
        read -r -t 0.2 code <&"$pipe"
        status=$?
    done
    [[ $status -ne 0 || -n $code ]] || read -r code <&"$pipe"
    unset "sidecar_pipes[$pipe]"
    exec {pipe}<&-
    return "${code:-137}"
}

# sidecar_find PID [GROUP SESSION]: leave in sidecar_found all descendants of PID, the process group GROUP, what in
# SESSION has lost its parent, and the descendants of these. This shell and the job's first one are never among them,
# nor is slurmstepd, which has lost its parent in this very session and has started the job's first shell.
sidecar_find() {
    local root=$1 wanted=${2-none} orphans="1 ${3-none}" stat line pid grown=yes
    local -A parent=() found=()
    for stat in /proc/[0-9]*/stat; do
        { read -r line <"$stat"; } 2>/dev/null || continue
        pid=${line%% *}
        # shellcheck disable=SC2086 # the fields after the program's name: state, parent, process group
        set -- ${line##*) }
        [[ $1 == Z ]] || parent[$pid]=$2
        [[ $2 != "$root" && $3 != "$wanted" && "$2 $4" != "$orphans" ]] || found[$pid]=yes
    done
    while [[ -n $grown ]]; do
        grown=
        for pid in "${!parent[@]}"; do
            [[ -n ${found[$pid]-} || -z ${found[${parent[$pid]}]-} ]] || found[$pid]=yes grown=yes
        done
    done
    sidecar_found=()
    for pid in "${!found[@]}"; do
        [[ $pid == "$$" || $pid == "$PPID" || $pid == "$BASHPID" || -z ${parent[$pid]-} ]] || sidecar_found+=("$pid")
    done
}

# sidecar_kill_tree PID: kill a child with everything below it.
sidecar_kill_tree() {
    sidecar_find "$1"
    kill -KILL "${sidecar_found[@]}" "$1" 2>/dev/null
}

# Kill whatever this job still runs on this node. Processes may fork meanwhile, hence the rounds. The group alone is
# not enough: a runtime that died leaves its squashfuse behind, which is in a process group of its own.
sidecar_kill_rest() {
    local rounds=40 line
    read -r line <"/proc/$BASHPID/stat"
    # shellcheck disable=SC2086 # the fields after the program's name: state, parent, process group, session
    set -- ${line##*) }
    while ((rounds-- > 0)); do
        sidecar_find "$$" "$$" "$4"
        [[ ${#sidecar_found[@]} -gt 0 ]] || return
        kill -KILL "${sidecar_found[@]}" 2>/dev/null
        sleep 0.05
    done
}
