# shellcheck shell=bash
#
# A Slurm of one's own on this machine, with accounting: munged, mariadbd, slurmdbd, slurmctld and slurmd,
# all state in one folder. A Slurm that already answers is used as it is. Sourced, never run.

CLUSTER_DIR=${SLURM_SIDECAR_CLUSTER_DIR:-/var/lib/slurm-sidecar-cluster}
CLUSTER_NAME=slurm-sidecar
CLUSTER_CONF=$CLUSTER_DIR/etc/slurm.conf
SYSTEM_CONF=/etc/slurm/slurm.conf
MUNGE_SOCKET=$CLUSTER_DIR/munge/socket
DATABASE_SOCKET=$CLUSTER_DIR/run/mariadb.socket
THIS_HOST=$(uname -n)
THIS_HOST=${THIS_HOST%%.*}

# Knobs, all from the environment.
NODE_CPUS=${SLURM_SIDECAR_NODE_CPUS:-64} # claimed, not real: many small pods at once
NODE_MEMORY_MB=${SLURM_SIDECAR_NODE_MEMORY_MB:-64000}
MIN_JOB_AGE=${SLURM_SIDECAR_MIN_JOB_AGE:-300} # seconds a finished job stays in squeue; Slurm's minimum is 2
KILL_WAIT=${SLURM_SIDECAR_KILL_WAIT:-30} # seconds between SIGTERM and SIGKILL

# ---------------------------------------------------------------- whose Slurm

slurm_answers() { have sinfo && timeout 15 sinfo -h >/dev/null 2>&1; }

# Ours is the link this script made; anything else at that place is a site's, and stays untouched.
slurm_is_ours() { [[ $(readlink -f "$SYSTEM_CONF" 2>/dev/null) == "$(readlink -f "$CLUSTER_CONF" 2>/dev/null)" && -L $SYSTEM_CONF ]]; }

site_has_slurm() { ! slurm_is_ours && { [[ -e $SYSTEM_CONF ]] || slurm_answers; }; }

ensure_slurm() {
    if slurm_answers && ! slurm_is_ours; then
        step "Using the Slurm that already answers here"
        return
    fi
    is_root || die "no Slurm answers (sinfo fails) and only root can start one; ask an administrator, or run this as root"
    start_cluster
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
    stop_daemon slurmctld # first, so that it starts no further job
    stop_slurmds
    kill_jobs
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

# ---------------------------------------------------------------- one daemon

program_of() { printf '%s' "${1%%.*}"; } # slurmd.node1 -> slurmd

pid_of() { cat "$CLUSTER_DIR/run/$1.pid" 2>/dev/null; }

# A pid file may outlive its process, and the number may belong to another by now: look at the program.
running() {
    local pid
    pid=$(pid_of "$1") && [[ -n $pid ]] && [[ $(cat "/proc/$pid/comm" 2>/dev/null) == "$(program_of "$1")" ]] && ! is_zombie "$pid"
}

is_zombie() { grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }

# By process, not by pid file: slurmd takes its file away well before it ends.
ended() { [[ ! -e /proc/$1 ]] || is_zombie "$1"; }

stop_daemon() {
    local name=$1 patience=${2:-10} pid
    running "$name" || return 0
    pid=$(pid_of "$name")
    kill -CONT "$pid" # a daemon frozen by a test would not hear SIGTERM
    kill -TERM "$pid"
    wait_until "$patience" ended "$pid" || kill -KILL "$pid"
    wait_until 5 ended "$pid" || die "$name (process $pid) does not end"
    rm -f "$CLUSTER_DIR/run/$name.pid"
}

# Start a daemon that puts itself into the background. It must hold neither this script's output (a caller's
# pipe would never close) nor its folder.
launch() { (cd / && setsid "$@" </dev/null >>"$CLUSTER_DIR/log/start.log" 2>&1); }

# ---------------------------------------------------------------- each daemon

start_munged() {
    running munged && return
    rm -f "$MUNGE_SOCKET" "$MUNGE_SOCKET.lock"
    # munged insists on owning its folder, and on nobody else writing there.
    launch runuser -u munge -- munged --key-file="$CLUSTER_DIR/munge/key" --socket="$MUNGE_SOCKET" \
        --pid-file="$CLUSTER_DIR/run/munged.pid" --log-file="$CLUSTER_DIR/munge/log" --seed-file="$CLUSTER_DIR/munge/seed" ||
        die "munged does not start; see $CLUSTER_DIR/log/start.log"
    wait_until 10 munge --socket="$MUNGE_SOCKET" --no-input || die "munged does not answer; see $CLUSTER_DIR/munge/log"
}

# Owned by Slurm's user, who gets in by being that user on this machine: no password, no network port.
start_mariadbd() {
    running mariadbd && return
    [[ -d $CLUSTER_DIR/database/mysql ]] || create_database
    rm -f "$DATABASE_SOCKET"
    # Flushing once a second instead of at each commit, and little memory: this is for trials and tests.
    launch mariadbd --no-defaults --user=slurm --datadir="$CLUSTER_DIR/database" --socket="$DATABASE_SOCKET" \
        --pid-file="$CLUSTER_DIR/run/mariadbd.pid" --log-error="$CLUSTER_DIR/log/mariadbd.log" --skip-networking \
        --innodb-buffer-pool-size=64M --innodb-log-file-size=32M --innodb-lock-wait-timeout=900 \
        --innodb-flush-log-at-trx-commit=2 --max-allowed-packet=16M --performance-schema=OFF &
    wait_until 60 database_answers || die "MariaDB does not answer; see $CLUSTER_DIR/log/mariadbd.log"
    chmod a+r "$CLUSTER_DIR/run/mariadbd.pid" # for anybody's status
}

create_database() {
    rm -rf "$CLUSTER_DIR/database"
    install -d -o slurm -g slurm -m 700 "$CLUSTER_DIR/database"
    quietly mariadb-install-db --no-defaults --user=slurm --datadir="$CLUSTER_DIR/database" \
        --auth-root-authentication-method=socket --auth-root-socket-user=slurm --skip-test-db --skip-name-resolve
}

database_answers() { runuser -u slurm -- mariadb --no-defaults --socket="$DATABASE_SOCKET" --execute='select 1'; }

start_slurmdbd() {
    running slurmdbd && return
    # slurmdbd has no setting for the database's socket; the client library reads it from the environment.
    launch env SLURM_CONF="$CLUSTER_CONF" MYSQL_UNIX_PORT="$DATABASE_SOCKET" slurmdbd ||
        die "slurmdbd does not start; see $CLUSTER_DIR/log/slurmdbd.log"
    wait_until 60 accounting_answers || die "slurmdbd does not answer; see $CLUSTER_DIR/log/slurmdbd.log"
}

accounting_answers() { timeout 15 sacctmgr -n list cluster; }

register_user() {
    if [[ -z $(sacctmgr -nP list cluster "$CLUSTER_NAME" format=cluster) ]]; then
        quietly sacctmgr -i add cluster "$CLUSTER_NAME"
    fi
    if [[ -z $(sacctmgr -nP list user "$RUN_USER" format=user) ]]; then
        quietly sacctmgr -i add account pods Cluster="$CLUSTER_NAME" Description=pods Organization=pods
        quietly sacctmgr -i add user "$RUN_USER" Account=pods Cluster="$CLUSTER_NAME"
    fi
}

start_slurmctld() {
    running slurmctld && return
    launch slurmctld -f "$CLUSTER_CONF" || die "slurmctld does not start; see $CLUSTER_DIR/log/slurmctld.log"
    wait_until 30 controller_answers || die "slurmctld does not answer; see $CLUSTER_DIR/log/slurmctld.log"
}

controller_answers() { timeout 15 sinfo -h; }

slurmd_names() {
    local n
    for ((n = 1; n <= $(last_nodes); n++)); do printf 'slurmd.node%d\n' "$n"; done
}

start_slurmds() {
    local n
    for ((n = 1; n <= $1; n++)); do start_slurmd "node$n"; done
}

start_slurmd() {
    running "slurmd.$1" && return
    mkdir -p "$CLUSTER_DIR/spool/$1"
    launch slurmd -f "$CLUSTER_CONF" -N "$1" || die "slurmd does not start; see $CLUSTER_DIR/log/slurmd.$1.log"
}

stop_slurmds() {
    local file
    for file in "$CLUSTER_DIR"/run/slurmd.*.pid; do
        [[ -e $file ]] || continue
        file=${file##*/}
        stop_daemon "${file%.pid}"
    done
}

nodes_are_up() { [[ $(timeout 15 sinfo -h -N -p main -o '%N %T' | grep -Ec ' (idle|mixed|allocated|completing)$') -eq $1 ]]; }

# A node that was down or drained in its last life stays so until it is resumed.
nodes_come_up() {
    nodes_are_up "$1" && return
    scontrol update nodename=ALL state=resume
    return 1
}

# ---------------------------------------------------------------- left-over jobs

# With the daemons gone, a job's processes are known by the cluster's name in their environment.
kill_jobs() {
    local round pids
    for round in 1 2 3; do
        pids=$(job_processes)
        [[ -n $pids ]] || return 0
        # shellcheck disable=SC2086 # a list of numbers
        kill -KILL $pids 2>/dev/null || true
        sleep "0.$round"
    done
}

job_processes() {
    {
        grep -lsazx "SLURM_CLUSTER_NAME=$CLUSTER_NAME" /proc/[0-9]*/environ
        grep -lsa '^slurmstepd: ' /proc/[0-9]*/cmdline
    } | cut -d/ -f3
}

# ---------------------------------------------------------------- files

make_folders() {
    install -d -m 755 "$CLUSTER_DIR" "$CLUSTER_DIR/etc" "$CLUSTER_DIR/spool"
    install -d -m 711 -o munge -g munge "$CLUSTER_DIR/munge"
    # World-writable and sticky: munged, mariadbd and Slurm's user each leave a pid file here.
    install -d -m 1777 "$CLUSTER_DIR/run"
    install -d -m 755 -o slurm -g slurm "$CLUSTER_DIR/log" "$CLUSTER_DIR/state"
    if [[ ! -s $CLUSTER_DIR/munge/key ]]; then
        (umask 077 && head -c 1024 /dev/urandom >"$CLUSTER_DIR/munge/key")
        chown munge:munge "$CLUSTER_DIR/munge/key"
    fi
}

# Daemons that run with another configuration than this one are stopped, to be started anew; jobs go on.
configure() {
    local before
    before=$(cat "$CLUSTER_DIR"/etc/* 2>/dev/null || true)
    write_slurm_conf "$1" >"$CLUSTER_CONF"
    (umask 077 && write_slurmdbd_conf >"$CLUSTER_DIR/etc/slurmdbd.conf")
    chown slurm:slurm "$CLUSTER_DIR/etc/slurmdbd.conf" # slurmdbd insists: its user's own, and unreadable to others
    pretend_gpus
    if [[ $before != "$(cat "$CLUSTER_DIR"/etc/*)" ]]; then
        stop_daemon slurmctld
        stop_slurmds
        stop_daemon slurmdbd
    fi
    printf '%s\n' "$1" >"$CLUSTER_DIR/nodes"
    mkdir -p "$(dirname "$SYSTEM_CONF")"
    ln -sfn "$CLUSTER_CONF" "$SYSTEM_CONF" # plain sbatch, squeue and sacct find the cluster here
}

# Jobs may ask for --gres=gpu:1. Slurm wants a device per card, to number them in CUDA_VISIBLE_DEVICES:
# copies of /dev/null do. Where none can be made (some containers), cards are counted, not numbered.
pretend_gpus() {
    local n
    mkdir -p "$CLUSTER_DIR/gpus"
    for n in 0 1 2 3; do
        [[ -c $CLUSTER_DIR/gpus/gpu$n ]] || mknod "$CLUSTER_DIR/gpus/gpu$n" c 1 3 2>/dev/null || {
            printf 'Name=gpu Count=4\n' >"$CLUSTER_DIR/etc/gres.conf"
            return 0
        }
    done
    printf 'Name=gpu File=%s/gpus/gpu[0-3]\n' "$CLUSTER_DIR" >"$CLUSTER_DIR/etc/gres.conf"
}

write_slurm_conf() {
    local nodes=$1
    cat <<END
# Written by scripts/cluster at each start; changes made here are lost.
ClusterName=$CLUSTER_NAME
SlurmctldHost=$THIS_HOST(127.0.0.1)
SlurmUser=slurm
AuthType=auth/munge
AuthInfo=socket=$MUNGE_SOCKET
CredType=cred/munge
MpiDefault=none

StateSaveLocation=$CLUSTER_DIR/state
SlurmdSpoolDir=$CLUSTER_DIR/spool/%n
SlurmctldPidFile=$CLUSTER_DIR/run/slurmctld.pid
SlurmdPidFile=$CLUSTER_DIR/run/slurmd.%n.pid
SlurmctldLogFile=$CLUSTER_DIR/log/slurmctld.log
SlurmdLogFile=$CLUSTER_DIR/log/slurmd.%n.log

# No cgroups needed.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none

# Cores are shared out, memory is recorded but not.
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
GresTypes=gpu
SlurmdParameters=config_overrides

# Short jobs start at once: the defaults gather submissions for seconds.
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=50000,sched_interval=2,bf_interval=2

MinJobAge=$MIN_JOB_AGE
KillWait=$KILL_WAIT
InactiveLimit=0
MessageTimeout=10
OverTimeLimit=0
ReturnToService=2

AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePass=$MUNGE_SOCKET
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobCompType=jobcomp/none

NodeName=node[1-$nodes] NodeHostname=$THIS_HOST NodeAddr=127.0.0.1 Port=[7001-$((7000 + nodes))] CPUs=$NODE_CPUS Boards=1 SocketsPerBoard=1 CoresPerSocket=$NODE_CPUS ThreadsPerCore=1 RealMemory=$NODE_MEMORY_MB Gres=gpu:4
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=short Nodes=ALL MaxTime=1 OverTimeLimit=0 State=UP
END
}

write_slurmdbd_conf() {
    cat <<END
# Written by scripts/cluster at each start; changes made here are lost.
AuthType=auth/munge
AuthInfo=socket=$MUNGE_SOCKET
DbdHost=$THIS_HOST
DbdAddr=127.0.0.1
SlurmUser=slurm
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StorageLoc=slurm_accounting
PidFile=$CLUSTER_DIR/run/slurmdbd.pid
LogFile=$CLUSTER_DIR/log/slurmdbd.log
END
}
