# shellcheck shell=bash disable=SC2034,SC2154 # one program with the other files of this folder
#
# Ending a container: the preStop hook, the signal, and the kill when the grace period is over.
# Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination-flow

# Again and again while a container runs: is there a reason to end it?
sidecar_heed_end() {
    local seconds=
    if sidecar_must_end; then
        { [[ ! -e $sidecar_retire ]] || read -r seconds <"$sidecar_retire"; } 2>/dev/null
        sidecar_read_grace
    elif [[ -e $sidecar_work.unhealthy ]]; then
        read -r seconds <"$sidecar_work.unhealthy"
    else
        return
    fi
    sidecar_end_child "${seconds:-$sidecar_grace_seconds}"
}

# A deletion may leave less time, or more, than the pod itself says.
sidecar_read_grace() {
    local seconds=
    { read -r seconds <"$sidecar_directory/grace"; } 2>/dev/null
    [[ ! $seconds =~ ^[0-9]{1,9}$ ]] || sidecar_grace_seconds=$((10#$seconds))
}

# sidecar_end_child SECONDS: ask the container to end, and see to it that it does. A second call changes nothing.
sidecar_end_child() {
    [[ -n $sidecar_child && $sidecar_child != "$sidecar_ending" ]] || return
    sidecar_ending=$sidecar_child
    : >"$sidecar_work.ending"
    if [[ -n $sidecar_child_pulls || $1 -eq 0 ]]; then
        sidecar_kill_tree "$sidecar_child"
        return
    fi
    sidecar_end_slowly "$1" 2>/dev/null & # what it kills is nobody's news
    sidecar_killer=$!
    disown "$sidecar_killer"
}
sidecar_child='' sidecar_child_pulls='' sidecar_ending='' sidecar_killer=

# sidecar_end_slowly SECONDS: the time begins before the preStop hook. Should that one use it up, the process still has
# two seconds after its signal.
sidecar_end_slowly() {
    local began=$SECONDS left
    trap '' TERM
    sidecar_pre_stop "$1"
    left=$(($1 - SECONDS + began))
    sidecar_ask_child
    sleep "$((left > 2 || left == $1 ? left : 2))"
    sidecar_kill_tree "$sidecar_child"
}

# The signal goes to the container's own process, as under a kubelet. Where that one cannot be seen, it goes to the
# runtime, which passes it on; not to the process group, or the container would get it twice. The shell that starts the
# runtime only notes it. At a time limit, Slurm has told everybody already, and the container hears it again. If it ends
# by itself in the very moment a TERM reaches Apptainer's init process, that says 143 in place of the container's code.
# Source: https://github.com/apptainer/apptainer, internal/pkg/runtime/engine/apptainer/process_linux.go
sidecar_ask_child() {
    local targets tries=40
    kill -TERM "$sidecar_child" # it may not yet have started the runtime
    while kill -0 "$sidecar_child" && ((tries-- > 0)); do
        if sidecar_find_process "$sidecar_child"; then
            kill -s "$sidecar_stop_signal" "$sidecar_process"
            return
        fi
        sleep 0.05
    done
    read -ra targets <"/proc/$sidecar_child/task/$sidecar_child/children"
    [[ ${#targets[@]} -eq 0 ]] || kill -TERM "${targets[@]}"
}

# The container ended in time, so nobody needs to kill it any more.
sidecar_forget_killer() {
    [[ -n $sidecar_killer ]] || return
    sidecar_kill_tree "$sidecar_killer"
    sidecar_killer=
}
