# shellcheck shell=bash disable=SC2034,SC2154 # one program with the other files of this folder
#
# The pod: init containers one after another, then the main containers side by side.

# The last line of the batch script; does not return.
sidecar_run() {
    sidecar_defaults
    sidecar_keep_user_exit
    [[ ${LD_PRELOAD-} != "$sidecar_tsocks_library" ]] || unset LD_PRELOAD # the containers get it, not the runtime
    sidecar_running=yes
    [[ $sidecar_job_script == yes ]] || sidecar_check_mpi
    if [[ $sidecar_in_mesh == yes ]]; then sidecar_run_in_mesh; else sidecar_run_pod; fi
}

sidecar_run_pod() {
    local code
    sidecar_supervisors=()
    sidecar_heed=sidecar_heed_job
    trap 'sidecar_stopping=yes' TERM
    if ! sidecar_make_empty_dirs; then
        echo "slurm-sidecar: the pod's emptyDir volumes cannot be made" >&2
        exit 128
    fi
    sidecar_write_names || exit 128
    sidecar_watch &
    [[ $sidecar_job_script != yes ]] || sidecar_run_job_script
    sidecar_run_init && sidecar_run_main
    code=$?
    sidecar_end_sidecars
    [[ -z $sidecar_expired || $code -ne 0 ]] || code=143
    exit "$code"
}

# interLink's full mesh: the pre-exec text has written mesh.sh, which starts its arguments in the pod's own network.
# Source: https://github.com/interlink-hq/interLink, pkg/virtualkubelet/templates/mesh.sh
sidecar_run_in_mesh() {
    {
        declare -f
        declare -p "${!sidecar_@}"
        # shellcheck disable=SC2016 # the other shell's own process id
        echo 'trap "sidecar_stopping=yes" TERM; echo $$ >"$sidecar_private/mesh.pid"; sidecar_run_pod'
    } >"$sidecar_private/mesh-run.sh"
    sidecar_heed=sidecar_heed_mesh
    trap 'sidecar_stopping=yes' TERM
    sidecar_spawn "$BASH" "$TMPDIR/mesh.sh" "$BASH" "$sidecar_private/mesh-run.sh"
    sidecar_await "$sidecar_pipe"
    exit
}

sidecar_heed_mesh() {
    [[ -n $sidecar_stopping ]] || return
    [[ -s $sidecar_private/mesh.pid ]] || sidecar_stop_early
    kill -TERM "$(<"$sidecar_private/mesh.pid")" 2>/dev/null
}

# The user's text may have a clean-up of its own: it runs at the end, before ours.
sidecar_keep_user_exit() {
    sidecar_user_exit=$(trap -p EXIT)
    [[ $sidecar_user_exit != "trap -- 'sidecar_finish' EXIT" ]] || sidecar_user_exit=
    [[ -z $sidecar_user_exit ]] || sidecar_user_exit="$sidecar_user_exit; exit"
    trap sidecar_finish EXIT
}

# Again and again: is the job to stop, or has the pod lived as long as it may?
sidecar_heed_job() {
    if [[ -n $sidecar_stopping ]]; then
        sidecar_stop
    elif sidecar_expires; then
        sidecar_retire "" "${sidecar_told_names[@]}"
    fi
}
sidecar_told_names=()

# Has the pod come to the end of its time just now? That is said in the report, too.
sidecar_expires() {
    local now
    [[ $sidecar_deadline -gt 0 && -z $sidecar_expired ]] || return
    printf -v now '%(%s)T' -1
    [[ $now -ge $sidecar_deadline ]] || return
    sidecar_expired=yes sidecar_grace_began=$SECONDS
    sidecar_report deadline_exceeded "\"seconds\":$sidecar_deadline_seconds"
}
sidecar_expired='' sidecar_grace_began=

# The supervisors know what to do. They are told for some seconds, as they cannot always listen; not for ever, as other
# processes may come to have the ids of those that have ended.
sidecar_stop() {
    ((sidecar_told++ < 25)) || return
    if [[ $sidecar_told -eq 1 ]]; then
        : "${sidecar_grace_began:=$SECONDS}"
        sidecar_report_stopping
    fi
    [[ ${#sidecar_supervisors[@]} -eq 0 ]] || kill -TERM "${sidecar_supervisors[@]}" 2>/dev/null
}
sidecar_told=0

# sidecar_retire SECONDS NAME...: these containers are needed no longer; SECONDS is what is left of the grace period, or
# empty for all of it.
sidecar_retire() {
    local name seconds=$1
    shift
    for name; do
        printf '%s\n' "$seconds" >"$sidecar_private/work/$name.retiring"
        mv "$sidecar_private/work/$name.retiring" "$sidecar_private/work/$name.retire"
    done
}

# sidecar_start NAME POLICY: nothing more is started in a job that was asked to stop.
sidecar_start() {
    if [[ -n $sidecar_stopping ]]; then
        sidecar_stop
        return 143
    fi
    [[ -z $sidecar_expired ]] || return 143
    sidecar_spawn sidecar_supervise "$1" "$2"
    sidecar_supervisors+=("$sidecar_pid")
    sidecar_told_names+=("$1")
}

# An init container that has succeeded is done, also under Always. A native sidecar is no hindrance once it has started.
sidecar_run_init() {
    local name policy=OnFailure
    [[ $sidecar_restart_policy != Never ]] || policy=Never
    for name in "${sidecar_init_containers[@]}"; do
        sidecar_supervisors=() sidecar_told_names=()
        if [[ " ${sidecar_native_sidecars[*]} " == *" $name "* ]]; then
            sidecar_start "$name" Always || return
            sidecar_sidecar_names=("$name" "${sidecar_sidecar_names[@]}")
            sidecar_sidecar_pids=("$sidecar_pid" "${sidecar_sidecar_pids[@]}")
            sidecar_sidecar_pipes=("$sidecar_pipe" "${sidecar_sidecar_pipes[@]}")
            sidecar_await_start "$name" "$sidecar_pid" || return
        else
            sidecar_start "$name" "$policy" || return
            sidecar_await "$sidecar_pipe" || return
        fi
    done
    sidecar_supervisors=() sidecar_told_names=()
}
sidecar_sidecar_names=() sidecar_sidecar_pids=() sidecar_sidecar_pipes=() # the last started first

# sidecar_await_start NAME PID: until its hook and its startup probe have succeeded; false if it ends before.
sidecar_await_start() {
    until [[ -e $sidecar_private/work/$1.started ]]; do
        "$sidecar_heed"
        [[ -d /proc/$2 ]] || return
        sleep 0.1
    done
}

# The job's code is that of the first main container that failed.
sidecar_run_main() {
    local name pipe pipes=() code result=0
    for name in "${sidecar_main_containers[@]}"; do
        sidecar_start "$name" "$sidecar_restart_policy" || {
            result=143
            break
        }
        pipes+=("$sidecar_pipe")
    done
    for pipe in "${pipes[@]}"; do
        sidecar_await "$pipe"
        code=$?
        [[ $result -ne 0 ]] || result=$code
    done
    return "$result"
}

# Native sidecars end after the main containers, the last one first; how they end is of no consequence, nor is what
# else comes to pass meanwhile. They have what is left of the grace period of a job that was asked to stop, else one of
# their own, and in any case two seconds each.
# Source: https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#sidecar-containers-and-pod-lifecycle
sidecar_end_sidecars() {
    local number left
    sidecar_supervisors=() sidecar_told_names=() sidecar_deadline=0
    : "${sidecar_grace_began:=$SECONDS}"
    sidecar_read_grace
    for number in "${!sidecar_sidecar_names[@]}"; do
        left=$((sidecar_grace_seconds - SECONDS + sidecar_grace_began))
        [[ $left -gt 2 ]] || left=$((sidecar_grace_seconds < 2 ? sidecar_grace_seconds : 2))
        sidecar_retire "$left" "${sidecar_sidecar_names[number]}"
        sidecar_await "${sidecar_sidecar_pipes[number]}"
    done
}
