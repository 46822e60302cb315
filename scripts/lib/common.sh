# shellcheck shell=bash
#
# What every script here shares: where things are, how steps and failures are told, who "the user" is.
# Sourced, never run.

set -Eeuo pipefail

# An ordinary user's PATH often lacks the folders where slurmctld, munged and runuser live.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# shellcheck disable=SC2034 # used by those that source this
CHECKOUT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034
PREFIX=/opt/slurm-sidecar # used only by root; lib/python.sh says why

is_root() { [[ $EUID -eq 0 ]]; }
have() { command -v "$1" >/dev/null 2>&1; }

# Jobs, tests and the daemon never run as root: root hands them to this user.
if is_root; then RUN_USER=${SLURM_SIDECAR_USER:-sidecar}; else RUN_USER=$(id -un); fi

# ---------------------------------------------------------------- telling

if is_root; then
    LOG=${SLURM_SIDECAR_LOG:-/var/log/slurm-sidecar-setup.log}
else
    LOG=${SLURM_SIDECAR_LOG:-${XDG_STATE_HOME:-$HOME/.local/state}/slurm-sidecar/setup.log}
fi
CURRENT_STEP="starting up"
LOG_LINES_BEFORE_STEP=0
FAILED_COMMAND=
FAILURE_TOLD=no
TOLD_ALREADY=99 # exit code of a subshell that has said why it failed
CLEANUPS=()
SCRATCH=()

say() { printf '    %s\n' "$*"; }

step() {
    CURRENT_STEP=$*
    mkdir -p "$(dirname "$LOG")"
    printf '==> %s\n' "$*"
    printf '==> %s\n' "$*" >>"$LOG"
    LOG_LINES_BEFORE_STEP=$(wc -l <"$LOG")
}

# Run a talkative command; what it says goes to the log and is shown only if it fails.
quietly() { "$@" >>"$LOG" 2>&1; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit "$TOLD_ALREADY"
}

# Leave with an exit code that speaks for itself (pytest's, for one).
finish() {
    FAILURE_TOLD=yes
    exit "$1"
}

at_exit() { CLEANUPS+=("$1"); }

# scratch NAME: a new folder, gone when the script ends; its path goes into the variable NAME.
scratch() {
    local folder
    folder=$(mktemp -d)
    SCRATCH+=("$folder")
    printf -v "$1" '%s' "$folder"
}

tell_failure() {
    printf 'error: this step failed: %s\n' "$CURRENT_STEP" >&2
    [[ -z $FAILED_COMMAND ]] || printf '    command: %s\n' "$FAILED_COMMAND" >&2
    [[ -e $LOG ]] || return 0
    tail -n "+$((LOG_LINES_BEFORE_STEP + 1))" "$LOG" | tail -n 15 | sed 's/^/    | /' >&2
    printf '    full log: %s\n' "$LOG" >&2
}

on_exit() {
    local status=$? i
    trap - ERR
    set +e
    # Last come, first gone; a cleanup that fails keeps no other from its work.
    for ((i = ${#CLEANUPS[@]} - 1; i >= 0; i--)); do ("${CLEANUPS[i]}"); done
    rm -rf "${SCRATCH[@]}"
    [[ $FAILURE_TOLD == yes || $status -ne $TOLD_ALREADY ]] || exit 1
    if [[ $status -ne 0 && $FAILURE_TOLD == no ]]; then tell_failure; fi
    exit "$status"
}

trap 'FAILED_COMMAND=$BASH_COMMAND' ERR
trap on_exit EXIT
trap 'FAILURE_TOLD=yes; exit 130' INT
trap 'FAILURE_TOLD=yes; exit 143' TERM

# ---------------------------------------------------------------- waiting

# wait_until SECONDS COMMAND...: true as soon as the command succeeds, false when time is up.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}

# ---------------------------------------------------------------- the user

user_home() { getent passwd "$RUN_USER" | cut -d: -f6; }

# Run a command as the ordinary user, in a folder that user can enter (AS_USER_IN, else the home).
as_user() {
    local home
    home=$(user_home)
    # PWD too: some programs believe it rather than look where they are.
    local in=(env --chdir="${AS_USER_IN:-$home}" PWD="${AS_USER_IN:-$home}")
    if is_root; then
        # runuser keeps root's environment: without this, HOME would be a folder the user cannot read.
        runuser -u "$RUN_USER" -- env -u XDG_RUNTIME_DIR -u XDG_CACHE_HOME -u XDG_CONFIG_HOME "${in[@]}" \
            HOME="$home" USER="$RUN_USER" LOGNAME="$RUN_USER" "$@"
    else
        "${in[@]}" "$@"
    fi
}

# Another user, with a second group, for the tests of a daemon that is root.
GUEST=sidecar-guest

ensure_guest() {
    if id "$GUEST" >/dev/null 2>&1; then return; fi
    getent group sidecar-team >/dev/null || quietly groupadd sidecar-team
    quietly useradd --create-home --shell /bin/bash --groups sidecar-team "$GUEST"
}

ensure_user() {
    if ! id "$RUN_USER" >/dev/null 2>&1; then
        step "Creating the user $RUN_USER, who runs the jobs and the tests"
        quietly useradd --create-home --home-dir "/home/$RUN_USER" --shell /bin/bash "$RUN_USER"
    fi
    # Slurm opens a job's files as the user on the node: the way there must be passable.
    if is_root; then chmod a+x "$(user_home)"; fi
}
