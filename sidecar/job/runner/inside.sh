# shellcheck shell=bash disable=SC2034,SC2154 # one program with the other files of this folder
#
# Inside a running container: its processes as seen from the node, commands run as one of them, and its last words.

# sidecar_prepare_gate NAME: every container stops at a gate before its command: the runtime's shell reads a script of
# ours on its way. So we know its processes, and hold the file of its last words if that is in its own /dev, before it
# does anything. Not with MPI, where one call starts several.
sidecar_prepare_gate() {
    local folder=/.singularity.d
    sidecar_gate=
    if sidecar_under_mpi "$1"; then return; fi
    if [[ $sidecar_message_path == /dev/* ]]; then
        sidecar_dev_file=$sidecar_message_path
    else
        sidecar_dev_file=
        : >"$sidecar_work.message" && sidecar_bind "$sidecar_work.message" "$sidecar_message_path" rw
    fi
    [[ $sidecar_runtime_has_gate == yes ]] || return
    sidecar_gate=$sidecar_work.gate
    mkdir "$sidecar_gate" && mkfifo -m 600 "$sidecar_gate/arrived" "$sidecar_gate/open" || return
    # Where there is this folder, the runtime takes the container's environment only after a file that all images have,
    # but for bare folders. Two lines at once, because a read whose time is up just then loses the first (see
    # sidecar_await). With the last words' file open, so that it can be had without a way through the image's files.
    printf '%s\n' "[ -e $folder/env/99-base.sh ] || source /.inject-apptainer-env.sh || source /.inject-singularity-env.sh" \
        "{ printf '\\n\\n' >$folder/slurm-sidecar/arrived; read -r _ <$folder/slurm-sidecar/open; }\
 2>${sidecar_dev_file:-/dev/null}" >"$sidecar_work.gate.sh"
    sidecar_bind "$sidecar_gate" "$folder/slurm-sidecar" rw
    sidecar_bind "$sidecar_work.gate.sh" "$folder/env/zz-slurm-sidecar.sh" ro
}

# Wait for the container to arrive at its gate, and open it; false if it ended before that.
sidecar_pass_gate() {
    sidecar_words_held=
    [[ -n $sidecar_gate ]] || return 0
    local arrived tries=10
    # Read and write, or opening would wait for the container. The second one stays open: what is in it would be lost.
    exec {arrived}<>"$sidecar_gate/arrived" {sidecar_open}<>"$sidecar_gate/open"
    until read -r -t 0.2 <&"$arrived"; do
        if [[ ! -d /proc/$sidecar_child ]] || sidecar_must_end; then
            sidecar_kill_tree "$sidecar_child"
            exec {arrived}<&- {sidecar_open}<&-
            return 1
        fi
    done
    exec {arrived}<&-
    # Again, as lists of children may miss some while others come and go.
    until sidecar_find_inside "$sidecar_child" || ((tries-- == 0)); do sleep 0.02; done
    [[ -z $sidecar_dev_file ]] || sidecar_hold_words
    echo >&"$sidecar_open"
}

sidecar_hold_words() {
    local held
    for held in "/proc/$sidecar_inside/fd"/*; do
        [[ $(readlink "$held") == *"${sidecar_dev_file#/dev}" ]] || continue
        exec {sidecar_words_held}<"$held"
        return
    done
} 2>/dev/null

# sidecar_find_inside PID: leave in sidecar_inside the first process from PID on downwards with another root file system
# than ours. Of the runtime's processes some are in the container's namespaces, but see the node's root.
sidecar_find_inside() {
    local level=("$1") next pid children root ours
    sidecar_root_of self
    ours=$root
    while [[ ${#level[@]} -gt 0 ]]; do
        next=()
        for pid in "${level[@]}"; do
            sidecar_root_of "$pid"
            if [[ -n $root && $root != "$ours" ]]; then
                sidecar_inside=$pid
                return
            fi
            sidecar_children "$pid" && next+=("${children[@]}")
        done
        level=("${next[@]}")
    done
    return 1
}

# sidecar_root_of PID: leave in root which file system, and which part of it, the process sees as its root directory.
sidecar_root_of() {
    local device part place
    root=
    while read -r _ _ device part place _; do
        [[ $place != / ]] || root="$device $part"
    done <"/proc/$1/mountinfo"
} 2>/dev/null

# sidecar_children PID: leave them in children, whichever of its threads has made them.
sidecar_children() { read -ra children -d '' < <(cat "/proc/$1/task/"*/children 2>/dev/null) || [[ ${#children[@]} -gt 0 ]]; }

# sidecar_find_process PID: leave in sidecar_process the container's own process, once the runtime has handed over to it.
sidecar_find_process() {
    local children name
    sidecar_process=
    sidecar_find_inside "$1" || return
    { read -r name <"/proc/$sidecar_inside/comm"; } 2>/dev/null || return
    case $name in
    starter* | appinit | sinit) # Apptainer's and Singularity's own
        sidecar_children "$sidecar_inside" || return
        { read -r name <"/proc/${children[0]}/comm"; } 2>/dev/null || return
        [[ $name != starter* ]] || return
        sidecar_process=${children[0]}
        ;;
    *) sidecar_process=$sidecar_inside ;;
    esac
}

# sidecar_join SECONDS COMMAND...: run a command as one of the container's processes, with the environment that its own
# process began with; it is killed after so many seconds (0: never). Needs a user namespace of ours around the container.
sidecar_join() { (sidecar_join_here "$@") 2>&1; }

# The names are not local: what the environment holds must not take their place.
sidecar_join_here() {
    sidecar_limit=$1 sidecar_spaces=() sidecar_early=() sidecar_level=(-u SHLVL)
    shift
    sidecar_env_program=$(type -P env) sidecar_nsenter=$(type -P nsenter) sidecar_timeout=$(type -P timeout)
    for sidecar_space in user mnt pid net ipc uts; do
        [[ /proc/self/ns/$sidecar_space -ef /proc/$sidecar_process/ns/$sidecar_space ]] ||
            sidecar_spaces+=("--${sidecar_space/mnt/mount}")
    done
    # Never on the node itself, should another process have come to have the id meanwhile.
    if [[ -z $sidecar_process || " ${sidecar_spaces[*]} " != *" --mount "* ]]; then return 1; fi
    # Older ones know no way to the container's working directory: then it is the root directory.
    [[ $("$sidecar_nsenter" --help) != *--wdns* ]] || sidecar_spaces+=("--wdns=$(readlink "/proc/$sidecar_inside/cwd")")
    sidecar_close_others
    umask 022 # the container's, see sidecar_start_runtime
    sidecar_take_environment 2>/dev/null
    exec "$sidecar_env_program" -u _ "${sidecar_level[@]}" "$sidecar_timeout" -s KILL "$sidecar_limit" \
        "$sidecar_nsenter" --preserve-credentials "${sidecar_spaces[@]}" -t "$sidecar_process" -- "${sidecar_early[@]}" "$@"
}

# What else this shell has open is not the container's.
sidecar_close_others() {
    for sidecar_open_file in /proc/self/fd/*; do
        sidecar_open_file=${sidecar_open_file##*/}
        [[ $sidecar_open_file -le 2 || $sidecar_open_file -eq 255 ]] || exec {sidecar_open_file}>&-
    done
}

# In place of our environment, that of sidecar_process. What would change the programs that still run on the node (the
# list is that of glibc for setuid programs) is set inside, where the image has a program for that. So is what means
# something to this shell: it calculates what is assigned to RANDOM, say, and would run a command that is in there.
sidecar_take_environment() {
    local sidecar_variable sidecar_all=()
    while IFS= read -r -d '' sidecar_variable; do sidecar_all+=("$sidecar_variable"); done <"/proc/$sidecar_process/environ"
    # shellcheck disable=SC2046 # names have no white space
    unset $(compgen -e)
    sidecar_own=$'\n'$(compgen -v)$'\n'
    for sidecar_variable in "${sidecar_all[@]}"; do
        case $sidecar_variable in
        _=*) ;;
        LD_LIBRARY_PATH=/.singularity.d/libs) export "${sidecar_variable?}" ;; # nodes have no such folder
        SHLVL=*) sidecar_level+=("$sidecar_variable") ;;
        sidecar_* | LD_* | G*_PATH=* | GETCONF_DIR=* | GLIBC_TUNABLES=* | *LOCPATH=* | MALLOC_* | NLSPATH=* | TZDIR=* | LANGUAGE=*)
            sidecar_early+=("$sidecar_variable")
            ;;
        [a-zA-Z_]*) sidecar_take_variable "$sidecar_variable" ;;
        esac
    done
    [[ ${#sidecar_early[@]} -eq 0 ]] || sidecar_early=(/usr/bin/env "${sidecar_early[@]}")
}

# sidecar_take_variable NAME=VALUE: export it, unless it is none that a shell can have, or one that this one has itself.
sidecar_take_variable() {
    if [[ ${1%%=*} == *[!a-zA-Z0-9_]* || $sidecar_own == *$'\n'"${1%%=*}"$'\n'* ]]; then
        sidecar_early+=("$1")
    else
        export "${1?}"
    fi
}

# sidecar_keep_message CODE LOG: what the container left for Kubernetes at its end, for the daemon to read.
# Source: https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
sidecar_keep_message() {
    local message=$sidecar_words.message
    if [[ -n $sidecar_words_held ]]; then
        head -c 4096 <&"$sidecar_words_held" >"$message"
        exec {sidecar_words_held}<&-
    elif [[ -s $sidecar_work.message ]]; then
        head -c 4096 "$sidecar_work.message" >"$message"
    fi
    if [[ $sidecar_message_from_log == yes && $1 -ne 0 && ! -s $message ]]; then
        tail -n 80 "$2" | tail -c 2048 >"$message"
    fi
    [[ -z $sidecar_gate ]] || exec {sidecar_open}<&-
} 2>/dev/null
