# shellcheck shell=bash disable=SC2034,SC2154 # one program with the other files of this folder
#
# A script that interLink brings ready-made: it runs once, in place of the containers, and may tell how each of them
# ended. What it finds and may leave is that of the Go plugin: SANDBOX is a folder for it (workingPath the same), where
# run-NAME.status and init-NAME.status hold exit codes, and run-NAME.out and init-NAME.out are the containers' logs.
# Source: https://github.com/interlink-hq/interlink-slurm-plugin, pkg/slurm/Create.go and prepare.go

# Does not return.
sidecar_run_job_script() {
    local name code worst
    export SANDBOX=$sidecar_directory/jobscript
    export workingPath=$SANDBOX
    mkdir -p "$SANDBOX" || exit 128
    sidecar_begin_script
    sidecar_heed=sidecar_end_script
    sidecar_await "$sidecar_pipe"
    code=$?
    [[ -z $sidecar_expired || $code -ne 0 ]] || code=143
    read -r -t 5 <&7 # until its last byte is in the log, but not for a process that outlived it
    worst=$code
    for name in "$SANDBOX"/*.status; do
        sidecar_read_status "$name" 0
        [[ $sidecar_status -le $worst ]] || worst=$sidecar_status
    done
    for name in "${sidecar_main_containers[@]}"; do
        sidecar_read_status "$SANDBOX/run-$name.status" "$worst"
        set -- "$@" container_terminated "\"container\":\"$name\",\"attempt\":0,\"code\":$sidecar_status"
    done
    if [[ -n $sidecar_stopping ]]; then sidecar_report_stopping "$@"; else sidecar_report "$@"; fi
    exit "$worst"
}

# To Kubernetes the init containers are done, or the main ones would be seen waiting; the script decides what they are.
sidecar_begin_script() {
    local name facts=() output=$sidecar_private/work/script.output
    for name in "${sidecar_init_containers[@]}"; do
        sidecar_give_log "$name" "init-$name.out"
        facts+=(container_started "\"container\":\"$name\",\"attempt\":0")
        facts+=(container_terminated "\"container\":\"$name\",\"attempt\":0,\"code\":0")
    done
    for name in "${sidecar_main_containers[@]}"; do
        sidecar_give_log "$name" "run-$name.out"
        facts+=(container_started "\"container\":\"$name\",\"attempt\":0")
    done
    mkfifo "$output" || exit 128
    # shellcheck disable=SC2094 # reading and writing the pipe is what it is for
    exec 7< <(trap '' TERM && exec cat <"$output" >>"$sidecar_directory/logs/${sidecar_main_containers[0]}.0.log") 8>"$output"
    sidecar_spawn sidecar_launch_script
    exec 8>&-
    sidecar_script=$sidecar_pid
    sidecar_report "${facts[@]}"
}
sidecar_script='' sidecar_script_told=

sidecar_give_log() {
    : >>"$sidecar_directory/logs/$1.0.log"
    ln -sfn "../logs/$1.0.log" "$SANDBOX/$2"
}

# In the foreground, so that a signal cannot cost us its code.
sidecar_launch_script() {
    trap 'sidecar_stopping=yes' TERM # its children get the signal's default back
    umask 022
    cd "$SANDBOX" || return
    "$sidecar_files/jobscript/script" >&8 2>&1 7<&- 8>&-
}

# Ask everything below the script to end: a shell that waits for a program would not hear of it in time.
sidecar_end_script() {
    [[ -z $sidecar_script_told ]] || return
    if [[ -n $sidecar_stopping ]]; then sidecar_report_stopping; else sidecar_expires || return; fi
    sidecar_script_told=yes
    sidecar_read_grace
    sidecar_find "$sidecar_script"
    [[ ${#sidecar_found[@]} -eq 0 ]] || kill -TERM "${sidecar_found[@]}" 2>/dev/null
    {
        trap '' TERM
        sleep "$sidecar_grace_seconds"
        sidecar_kill_tree "$sidecar_script"
    } 2>/dev/null &
    disown "$!"
}

# sidecar_read_status FILE DEFAULT: leave in sidecar_status the code that the script wrote there.
sidecar_read_status() {
    sidecar_status=
    { read -r sidecar_status <"$1"; } 2>/dev/null
    [[ $sidecar_status =~ ^[0-9]{1,3}$ ]] || sidecar_status=$2
    sidecar_status=$((10#$sidecar_status))
}
