# shellcheck shell=bash
#
# A Slurm of one's own on this machine, with accounting: munged, mariadbd, slurmdbd, slurmctld and slurmd,
# all state in one folder. A Slurm that already answers is used as it is. Sourced, never run.

CLUSTER_DIR=${SLURM_SIDECAR_CLUSTER_DIR:-/var/lib/slurm-sidecar-cluster}
CLUSTER_NAME=slurm-sidecar
CLUSTER_CONF=$CLUSTER_DIR/etc/slurm.conf
SYSTEM_CONF=/etc/slurm/slurm.conf
MUNGE_SOCKET=$CLUSTER_DIR/munge/socket
CGROUPS=/sys/fs/cgroup
DATABASE_SOCKET=$CLUSTER_DIR/run/mariadb.socket
THIS_HOST=$(uname -n)
THIS_HOST=${THIS_HOST%%.*}

# Knobs, all from the environment.
NODE_CPUS=${SLURM_SIDECAR_NODE_CPUS:-64} # claimed, not real: many small pods at once
NODE_MEMORY_MB=${SLURM_SIDECAR_NODE_MEMORY_MB:-64000}
MIN_JOB_AGE=${SLURM_SIDECAR_MIN_JOB_AGE:-300} # seconds a finished job stays in squeue; Slurm's minimum is 2
KILL_WAIT=${SLURM_SIDECAR_KILL_WAIT:-30} # seconds between SIGTERM and SIGKILL

# shellcheck source=scripts/lib/configuration.sh
source "$(dirname "${BASH_SOURCE[0]}")/configuration.sh"
# shellcheck source=scripts/lib/daemons.sh
source "$(dirname "${BASH_SOURCE[0]}")/daemons.sh"

# ---------------------------------------------------------------- whose Slurm

slurm_answers() { have sinfo && timeout 15 sinfo -h >/dev/null 2>&1; }

# Ours is the link this script made; anything else at that place is a site's, and stays untouched.
slurm_is_ours() { [[ $(readlink -f "$SYSTEM_CONF" 2>/dev/null) == "$(readlink -f "$CLUSTER_CONF" 2>/dev/null)" && -L $SYSTEM_CONF ]]; }

site_has_slurm() { ! slurm_is_ours && { [[ -e $SYSTEM_CONF ]] || slurm_answers; }; }

# ensure_slurm [NODES]: one of our own has at least so many.
ensure_slurm() {
    local nodes
    if slurm_answers && { ! is_root || ! slurm_is_ours; }; then
        step "Using the Slurm that already answers here"
        return
    fi
    is_root || die "no Slurm answers (sinfo fails) and only root can start one; ask an administrator, or run this as root"
    nodes=$(last_nodes)
    start_cluster "$((nodes < ${1:-1} ? ${1:-1} : nodes))"
}

# ---------------------------------------------------------------- start, stop, status

start_cluster() {
    if site_has_slurm; then
        if slurm_answers; then
            step "Using the Slurm that already answers here; none is started"
            return
        fi
        die "$SYSTEM_CONF belongs to another Slurm, whose controller does not answer; start that one, or move the file away"
    fi
    is_root || die "only root can start a cluster"
    check_knobs
    install_slurm
    ensure_user
    local nodes
    nodes=$(wanted_nodes "${1:-}")
    make_folders
    step "Starting a Slurm with accounting in $CLUSTER_DIR"
    configure "$nodes"
    start_munged
    start_mariadbd
    start_slurmdbd
    register_user
    start_slurmctld
    start_slurmds "$nodes"
    wait_until 30 nodes_come_up "$nodes" || die "the nodes did not come up; see $CLUSTER_DIR/log"
    say "$nodes node(s) up; any user can run sbatch, squeue and sacct now; logs are in $CLUSTER_DIR/log"
}

install_slurm() {
    ensure_commands sbatch=slurm-wlm slurmctld=slurm-wlm slurmd=slurm-wlm slurmdbd=slurmdbd munged=munge \
        mariadbd=mariadb-server-core mariadb=mariadb-client-core
}

check_knobs() {
    [[ $MIN_JOB_AGE =~ ^[0-9]+$ && $MIN_JOB_AGE -ge 2 ]] ||
        die "SLURM_SIDECAR_MIN_JOB_AGE=$MIN_JOB_AGE: want seconds, 2 or more (Slurm takes 0 for 'keep for ever')"
}

# The number asked for, else the one of last time, else one.
wanted_nodes() {
    local nodes=$1
    [[ -n $nodes ]] || nodes=$(last_nodes)
    [[ $nodes =~ ^[1-9][0-9]?$ ]] || die "--nodes $nodes: want a number from 1 to 99"
    printf '%s' "$nodes"
}

last_nodes() { cat "$CLUSTER_DIR/nodes" 2>/dev/null || printf 1; }

stop_cluster() {
    if site_has_slurm; then die "the Slurm here was not started by this script; it stays as it is"; fi
    is_root || die "only root can stop the cluster"
    step "Stopping the Slurm in $CLUSTER_DIR"
    cancel_jobs
    stop_daemon slurmctld # first, so that it starts no further job
    stop_slurmds
    kill_jobs # a crashed cluster's, for one
    stop_servers
}

# Daemons only: jobs go on, as they do when a real site restarts its daemons.
restart_cluster() {
    if site_has_slurm; then die "the Slurm here was not started by this script; it stays as it is"; fi
    is_root || die "only root can restart the cluster"
    step "Stopping the daemons; running jobs go on"
    stop_daemon slurmctld
    stop_slurmds
    stop_servers
    start_cluster "${1:-}"
}

stop_servers() {
    stop_daemon slurmdbd
    stop_daemon mariadbd 20
    stop_daemon munged
}

cluster_status() {
    local name
    if site_has_slurm; then
        say "a Slurm that was not started by this script:"
        timeout 15 sinfo
        return
    fi
    for name in munged mariadbd slurmdbd slurmctld $(slurmd_names); do
        if running "$name"; then say "$name: running, process $(pid_of "$name")"; else say "$name: not running"; fi
    done
    if slurm_answers; then sinfo; else return 1; fi
}
