# shellcheck shell=bash disable=SC2034,SC2154 # one program with the other files of this folder
#
# Containers: each has a supervisor, a background shell that starts it, starts it again as restartPolicy says, and
# stops it when it is told to.

sidecar_env() { export "APPTAINERENV_$1=$2" "SINGULARITYENV_$1=$2"; }

# sidecar_supervise NAME POLICY: the body of a supervisor; returns the container's last code.
sidecar_supervise() {
    local code attempt=0 began delay=$sidecar_backoff_first ended
    trap sidecar_stop_container TERM
    while :; do
        began=$SECONDS
        sidecar_run_container "$1" "$attempt"
        code=$?
        ended=(${sidecar_ended:+container_terminated "$sidecar_ended,\"code\":$code"})
        if [[ -n $sidecar_stopping || $2 == Never || ($2 == OnFailure && $code -eq 0) ]]; then break; fi
        [[ $((SECONDS - began)) -lt $sidecar_backoff_reset ]] || delay=$sidecar_backoff_first
        attempt=$((attempt + 1))
        # In one write: an end without what follows would be the pod's end to Kubernetes.
        sidecar_report "${ended[@]}" container_restarting "\"container\":\"$1\",\"attempt\":$attempt,\"delay\":$delay"
        ended=()
        sidecar_pause "$delay"
        [[ -z $sidecar_stopping ]] || break
        delay=$((delay * 2 < sidecar_backoff_most ? delay * 2 : sidecar_backoff_most))
    done
    sidecar_report "${ended[@]}"
    return "$code"
}

# sidecar_pause SECONDS: as long as nobody asks the job to stop.
sidecar_pause() {
    local left=$1
    while [[ -z $sidecar_stopping && $((left--)) -gt 0 ]]; do sleep 1; done
}

# The TERM trap of a supervisor.
sidecar_stop_container() {
    sidecar_stopping=yes
    sidecar_end_child
}

# A deletion may leave less time, or more, than the pod itself says.
sidecar_read_grace() {
    local seconds=
    { read -r seconds <"$sidecar_directory/grace"; } 2>/dev/null
    [[ ! $seconds =~ ^[0-9]{1,9}$ ]] || sidecar_grace_seconds=$((10#$seconds))
}

# Ask the container to end, and see to it that it does. May be called twice; the second time changes nothing.
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
    } &
    sidecar_killer=$!
    disown "$sidecar_killer"
}
sidecar_child='' sidecar_child_pulls='' sidecar_ending='' sidecar_killer=

# TERM goes to the runtime alone, which passes it on to the container's first process, as a kubelet would; sent to
# the process group, the container would get it twice. The shell that starts the runtime only notes it.
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
        sidecar_ended=$which
        return 128
    fi
    sidecar_binds=()
    if ! sidecar_mounts "$1" >>"$log" 2>&1; then
        sidecar_ended=$which
        return 128
    fi
    [[ -z $sidecar_stopping ]] || return 143
    sidecar_spawn sidecar_launch "$1" "$2" "$log"
    sidecar_child=$sidecar_pid
    sidecar_report container_started "$which"
    [[ -z $sidecar_stopping ]] || sidecar_end_child
    sidecar_await "$sidecar_pipe"
    code=$?
    sidecar_child=
    sidecar_forget_killer
    sidecar_ended=$which
    return "$code"
}

# The container ended in time, so nobody needs to kill it any more.
sidecar_forget_killer() {
    [[ -n $sidecar_killer ]] || return
    sidecar_kill_tree "$sidecar_killer"
    sidecar_killer=
}

# sidecar_launch NAME ATTEMPT LOG: run the container in the foreground, so that a signal cannot cost us its code.
sidecar_launch() {
    trap 'sidecar_stopping=yes' TERM # its children get the signal's default back
    local verb=run work=$sidecar_private/work/$1.$2 options=() code
    sidecar_home=
    # shellcheck source=/dev/null
    . "$sidecar_files/containers/$1.sh" || return 128
    # /tmp and the home directory on the node's disk: the runtime's own are 64 MiB of memory.
    mkdir -p "$work" && options+=(--workdir "$work")
    [[ -z $sidecar_home ]] || options+=(--no-home --home "$sidecar_home")
    [[ -z $sidecar_working_dir ]] || options+=(--pwd "$sidecar_working_dir")
    [[ ${#sidecar_command[@]} -eq 0 ]] || verb="exec"
    sidecar_call=("${sidecar_mpi[@]}" "$sidecar_program" --quiet "$verb" "${options[@]}" "${sidecar_options[@]}" "${sidecar_binds[@]}"
        "$sidecar_image" "${sidecar_command[@]}" "${sidecar_arguments[@]}")
    umask 022
    [[ -z $sidecar_stopping ]] || return 143
    sidecar_open_log "$3" "$work.output" || return 128
    sidecar_execute
    code=$?
    sidecar_close_log
    return "$code"
}

# sidecar_open_log LOG PIPE: what goes to descriptor 8 ends up in the log. Through a pipe, as under a kubelet: with the
# file itself as its output, a container that writes to /dev/stderr opens the file anew and cuts it off.
sidecar_open_log() {
    mkfifo "$2" || return
    exec 7< <(trap '' TERM && exec cat <"$2" >>"$1")
    exec 8>"$2"
}

# Descriptor 7 ends with the last byte in the log. A process that outlived its container must not keep us waiting.
sidecar_close_log() {
    exec 8>&-
    read -r -t 5 <&7
    exec 7<&-
}
