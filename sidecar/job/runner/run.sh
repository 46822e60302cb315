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
    sidecar_supervisors=()
    sidecar_heed=sidecar_stop
    trap 'sidecar_stopping=yes' TERM
    if ! sidecar_make_empty_dirs; then
        echo "slurm-sidecar: the pod's emptyDir volumes cannot be made" >&2
        exit 128
    fi
    sidecar_write_names || exit 128
    sidecar_watch &
    [[ $sidecar_job_script != yes ]] || sidecar_run_job_script
    sidecar_run_init
    sidecar_run_main
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
    sidecar_heed=sidecar_stop_mesh
    trap 'sidecar_stopping=yes' TERM
    sidecar_spawn "$BASH" "$TMPDIR/mesh.sh" "$BASH" "$sidecar_private/mesh-run.sh"
    sidecar_await "$sidecar_pipe"
    exit
}

sidecar_stop_mesh() {
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

# The supervisors know what to do. They are told for some seconds, as they cannot always listen; not for ever, as other
# processes may come to have the ids of those that have ended.
sidecar_stop() {
    ((sidecar_told++ < 25)) || return
    [[ $sidecar_told -gt 1 ]] || sidecar_report_stopping
    [[ ${#sidecar_supervisors[@]} -eq 0 ]] || kill -TERM "${sidecar_supervisors[@]}" 2>/dev/null
}
sidecar_told=0

# sidecar_start NAME POLICY: nothing more is started in a job that was asked to stop.
sidecar_start() {
    if [[ -n $sidecar_stopping ]]; then
        sidecar_stop
        return 143
    fi
    sidecar_spawn sidecar_supervise "$1" "$2"
    sidecar_supervisors+=("$sidecar_pid")
}

# An init container that has succeeded is done, also under Always.
sidecar_run_init() {
    local name policy=OnFailure
    [[ $sidecar_restart_policy != Never ]] || policy=Never
    for name in "${sidecar_init_containers[@]}"; do
        sidecar_supervisors=()
        sidecar_start "$name" "$policy" || exit
        sidecar_await "$sidecar_pipe" || exit
    done
    sidecar_supervisors=()
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
    exit "$result"
}
