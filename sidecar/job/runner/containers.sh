# shellcheck shell=bash disable=SC2034,SC2154 # one program with the other files of this folder
#
# Containers: each has a supervisor, a background shell that starts it, starts it again as restartPolicy says, and
# stops it when it is told to.

# sidecar_supervise NAME POLICY: the body of a supervisor; returns the container's last code.
sidecar_supervise() {
    local code attempt=0 began delay=$sidecar_backoff_first ended sidecar_no_image=
    trap 'sidecar_stopping=yes' TERM
    sidecar_heed=sidecar_end_child
    while :; do
        began=$SECONDS
        sidecar_run_container "$1" "$attempt"
        code=$?
        ended=(${sidecar_ended:+container_terminated "$sidecar_ended,\"code\":$code"})
        if [[ -n $sidecar_stopping || -n $sidecar_no_image || $2 == Never || ($2 == OnFailure && $code -eq 0) ]]; then break; fi
        [[ $((SECONDS - began)) -lt $sidecar_backoff_reset ]] || delay=$sidecar_backoff_first
        attempt=$((attempt + 1))
        # In one write: an end without what follows would be the pod's end to Kubernetes.
        sidecar_report "${ended[@]}" container_restarting "\"container\":\"$1\",\"attempt\":$attempt,\"delay\":$delay"
        ended=()
        sidecar_pause "$delay"
        [[ -z $sidecar_stopping ]] || break
        delay=$((delay * 2 < sidecar_backoff_most ? delay * 2 : sidecar_backoff_most))
    done
    if [[ -n $sidecar_stopping ]]; then sidecar_report_stopping "${ended[@]}"; else sidecar_report "${ended[@]}"; fi
    return "$code"
}

# sidecar_pause SECONDS: as long as nobody asks the job to stop.
sidecar_pause() {
    local left=$1
    while [[ -z $sidecar_stopping && $((left--)) -gt 0 ]]; do sleep 1; done
}

# A deletion may leave less time, or more, than the pod itself says.
sidecar_read_grace() {
    local seconds=
    { read -r seconds <"$sidecar_directory/grace"; } 2>/dev/null
    [[ ! $seconds =~ ^[0-9]{1,9}$ ]] || sidecar_grace_seconds=$((10#$seconds))
}

# Ask the container to end, and see to it that it does. A second call changes nothing.
sidecar_end_child() {
    [[ -n $sidecar_child && $sidecar_child != "$sidecar_ending" ]] || return
    sidecar_ending=$sidecar_child
    sidecar_read_grace
    if [[ -n $sidecar_child_pulls || $sidecar_grace_seconds -eq 0 ]]; then
        sidecar_kill_tree "$sidecar_child"
        return
    fi
    sidecar_ask_child
    {
        trap '' TERM
        sleep "$sidecar_grace_seconds"
        sidecar_kill_tree "$sidecar_child"
    } 2>/dev/null & # what it kills is nobody's news
    sidecar_killer=$!
    disown "$sidecar_killer"
}
sidecar_child='' sidecar_child_pulls='' sidecar_ending='' sidecar_killer=

# TERM goes to the runtime alone, which passes it on to the container's first process, as a kubelet would; sent to
# the process group, the container would get it twice. The shell that starts the runtime only notes it. At a time limit,
# Slurm has told everybody already, and the container hears it again. If it ends by itself in the very moment a TERM
# reaches Apptainer's init process, that says 143 in place of the container's code ("No child process, exiting").
# Source: https://github.com/apptainer/apptainer, internal/pkg/runtime/engine/apptainer/process_linux.go
sidecar_ask_child() {
    local targets tries=40
    while kill -TERM "$sidecar_child" && ((tries-- > 0)); do
        read -ra targets <"/proc/$sidecar_child/task/$sidecar_child/children"
        if [[ ${#targets[@]} -gt 0 ]]; then
            kill -TERM "${targets[@]}"
            return
        fi
        sleep 0.05 # the runtime is about to start
    done
} 2>/dev/null

# sidecar_run_container NAME ATTEMPT: from the image to the end of one attempt; returns its code, and leaves in
# sidecar_ended what the report says of the attempt, if it came to one.
sidecar_run_container() {
    local log=$sidecar_directory/logs/$1.$2.log which="\"container\":\"$1\",\"attempt\":$2" code
    sidecar_ended=
    sidecar_describe "$1"
    : >>"$log"
    if ! sidecar_fetch "$1" "$2"; then
        [[ -z $sidecar_stopping ]] || return 143
        sidecar_report image_failed "$which"
        sidecar_ended=$which sidecar_no_image=yes # enough was tried
        return 128
    fi
    sidecar_binds=()
    if ! sidecar_mounts "$1" >>"$log" 2>&1; then
        sidecar_ended=$which
        return 128
    fi
    [[ -z $sidecar_stopping ]] || return 143
    sidecar_ended=$which
    sidecar_spawn_container "$1" "$2" "$log" || return 128
    sidecar_report container_started "$which"
    sidecar_await "$sidecar_pipe"
    code=$?
    sidecar_child=
    sidecar_forget_killer
    sidecar_close_log
    return "$code"
}

# sidecar_spawn_container NAME ATTEMPT LOG: leave in sidecar_child the process whose only child is the runtime.
# No TERM meanwhile: what is started here must live to have its own trap, or to write the log to its end. If we miss
# one ourselves, the job's first shell repeats it.
sidecar_spawn_container() {
    local code
    trap '' TERM
    sidecar_open_log "$3" "$sidecar_private/work/$1.$2.output" &&
        sidecar_spawn sidecar_launch "$1" "$2" && sidecar_child=$sidecar_pid
    code=$?
    exec 8>&-
    trap 'sidecar_stopping=yes' TERM
    return "$code"
}

# The container ended in time, so nobody needs to kill it any more.
sidecar_forget_killer() {
    [[ -n $sidecar_killer ]] || return
    sidecar_kill_tree "$sidecar_killer"
    sidecar_killer=
}

# sidecar_launch NAME ATTEMPT: run the container in the foreground, so that a signal cannot cost us its code.
sidecar_launch() {
    trap 'sidecar_stopping=yes' TERM # its children get the signal's default back
    sidecar_home=
    sidecar_tell_network
    # shellcheck source=/dev/null
    . "$sidecar_files/containers/$1.sh" || return 128
    if sidecar_under_mpi "$1"; then
        sidecar_overlay=
        sidecar_start_runtime "$sidecar_rank_folder"
    else
        mkdir -p "$sidecar_private/work/$1.$2" && sidecar_start_writable "$sidecar_private/work/$1.$2"
    fi
}

# sidecar_start_runtime WORK: of each rank with MPI.
sidecar_start_runtime() {
    sidecar_runtime_start "$1" || return 128
    [[ $1 != "$sidecar_rank_folder" ]] || sidecar_use_mpi
    umask 022
    [[ -z $sidecar_stopping ]] || return 143
    sidecar_execute
}

# sidecar_open_log LOG PIPE: what goes to descriptor 8 ends up in the log. Through a pipe, as under a kubelet: with the
# file itself as its output, a container that writes to /dev/stderr opens the file anew and cuts it off.
sidecar_open_log() {
    mkfifo "$2" || return
    # shellcheck disable=SC2094 # reading and writing the pipe is what it is for
    exec 7< <(exec cat <"$2" >>"$1") 8>"$2"
}

# Descriptor 7 ends with the last byte in the log. A process that outlived its container must not keep us waiting.
sidecar_close_log() {
    read -r -t 5 <&7
    exec 7<&-
}
