# shellcheck shell=bash disable=SC2034,SC2154 # one program with the other files of this folder
#
# Containers: each has a supervisor, a background shell that starts it, starts it again as restartPolicy says, and
# stops it when it is told to.

# sidecar_supervise NAME POLICY: the body of a supervisor; returns the container's last code.
sidecar_supervise() {
    local code attempt=0 began delay=$sidecar_backoff_first sidecar_no_image=
    trap 'sidecar_stopping=yes' TERM
    sidecar_retire=$sidecar_private/work/$1.retire
    sidecar_heed=sidecar_heed_end
    while :; do
        began=$SECONDS
        sidecar_run_container "$1" "$attempt"
        code=$?
        sidecar_may_restart "$2" "$code" "$attempt" || break
        [[ $((SECONDS - began)) -lt $sidecar_backoff_reset ]] || delay=$sidecar_backoff_first
        attempt=$((attempt + 1))
        # In one write: an end without what follows would be the pod's end to Kubernetes.
        sidecar_report "${sidecar_ended[@]}" container_restarting "\"container\":\"$1\",\"attempt\":$attempt,\"delay\":$delay"
        sidecar_ended=()
        sidecar_pause "$delay"
        ! sidecar_must_end || break
        delay=$((delay * 2 < sidecar_backoff_most ? delay * 2 : sidecar_backoff_most))
    done
    if [[ -n $sidecar_stopping ]]; then sidecar_report_stopping "${sidecar_ended[@]}"; else sidecar_report "${sidecar_ended[@]}"; fi
    return "$code"
}

# The job was asked to stop, or this container is needed no longer: then there is a file, perhaps with a grace period.
sidecar_must_end() { [[ -n $sidecar_stopping || -e $sidecar_retire ]]; }

# sidecar_may_restart POLICY CODE ATTEMPT
sidecar_may_restart() {
    if sidecar_must_end || [[ -n $sidecar_no_image || $1 == Never || ($1 == OnFailure && $2 -eq 0) ]]; then return 1; fi
    [[ -z $sidecar_most_restarts || $3 -lt $sidecar_most_restarts ]]
}

# sidecar_pause SECONDS: as long as nobody asks for the end.
sidecar_pause() {
    local left=$1
    while ! sidecar_must_end && [[ $((left--)) -gt 0 ]]; do sleep 1; done
}

# sidecar_run_container NAME ATTEMPT: from the image to the end of one attempt; returns its code, and leaves in
# sidecar_ended what the report says of the attempt, if it came to one.
sidecar_run_container() {
    local log code
    sidecar_which="\"container\":\"$1\",\"attempt\":$2" sidecar_words=$sidecar_directory/logs/$1.$2
    log=$sidecar_words.log
    sidecar_work=$sidecar_private/work/$1.$2
    sidecar_ended=()
    sidecar_describe "$1"
    sidecar_read_lifecycle "$1"
    : >>"$log"
    if ! sidecar_fetch "$1" "$2"; then
        ! sidecar_must_end || return 143
        sidecar_report image_failed "$sidecar_which"
        sidecar_ended=(container_terminated "$sidecar_which,\"code\":128") sidecar_no_image=yes # enough was tried
        return 128
    fi
    sidecar_binds=()
    if ! sidecar_mounts "$1" >>"$log" 2>&1 || ! sidecar_check_lifecycle "$1" >>"$log" 2>&1; then
        sidecar_ended=(container_terminated "$sidecar_which,\"code\":128")
        return 128
    fi
    ! sidecar_must_end || return 143
    sidecar_run_process "$1" "$2"
    code=$?
    [[ ${#sidecar_ended[@]} -eq 0 ]] || sidecar_ended[1]+=",\"code\":$code"
    return "$code"
}

# sidecar_run_process NAME ATTEMPT: the same, once everything that it needs is there.
sidecar_run_process() {
    local log=$sidecar_words.log code kills
    kills=$(sidecar_oom_kills)
    sidecar_ended=(container_terminated "$sidecar_which")
    sidecar_prepare_gate "$1"
    sidecar_spawn_container "$1" "$log" || return 128
    if ! sidecar_pass_gate; then
        sidecar_never_began
        return
    fi
    sidecar_report container_started "$sidecar_which,$(sidecar_first_health)"
    sidecar_attend "$1" "$2"
    sidecar_await "$sidecar_container"
    code=$?
    sidecar_leave_container
    sidecar_keep_message "$code" "$log"
    [[ $code -ne 137 || $(sidecar_oom_kills) == "$kills" ]] || sidecar_ended[1]+=',"oom":true'
    return "$code"
}

# The runtime ended before the container's process could begin: its own words are in the log.
sidecar_never_began() {
    local code
    sidecar_await "$sidecar_container"
    code=$?
    sidecar_leave_container
    if sidecar_must_end; then
        sidecar_ended=()
        return 143
    fi
    sidecar_ended[1]+=",\"cannot_run\":$code"
    return 128
}

sidecar_leave_container() {
    sidecar_child=
    sidecar_forget_killer
    sidecar_forget_attendant
    sidecar_close_log
}

# sidecar_spawn_container NAME LOG: leave in sidecar_child the process whose only child is the runtime, and in
# sidecar_container where its code will come from.
# No TERM meanwhile: what is started here must live to have its own trap, or to write the log to its end. If we miss
# one ourselves, the job's first shell repeats it.
sidecar_spawn_container() {
    local code
    trap '' TERM
    sidecar_open_log "$2" "$sidecar_work.output" &&
        sidecar_spawn sidecar_launch "$1" && sidecar_child=$sidecar_pid sidecar_container=$sidecar_pipe
    code=$?
    exec 8>&-
    trap 'sidecar_stopping=yes' TERM
    return "$code"
}

# sidecar_launch NAME: run the container in the foreground, so that a signal cannot cost us its code.
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
        mkdir -p "$sidecar_work" && sidecar_start_writable "$sidecar_work"
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

# How often the kernel killed something in this job's memory group for lack of memory; nothing where it does not tell.
sidecar_oom_kills() {
    local line group events
    while read -r line; do
        case $line in
        *:memory:*) group=/sys/fs/cgroup/memory${line#*:memory:}/memory.oom_control ;;
        0::*) group=/sys/fs/cgroup${line#0::}/memory.events ;;
        *) continue ;;
        esac
        { events=$(<"$group"); } 2>/dev/null || continue
        [[ $events != *oom_kill\ * ]] || printf '%s\n' "${events##*oom_kill }"
    done </proc/self/cgroup
}
