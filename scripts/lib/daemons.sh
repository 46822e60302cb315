# shellcheck shell=bash
#
# The daemons of the cluster, one by one, and what jobs leave behind. Sourced by slurm.sh, never run.

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

# Start a daemon that puts itself into the background (for one that does not: launch --fork). It must hold neither this
# script's output (a caller's pipe would never close) nor its folder.
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
    launch --fork mariadbd --no-defaults --user=slurm --datadir="$CLUSTER_DIR/database" --socket="$DATABASE_SOCKET" \
        --pid-file="$CLUSTER_DIR/run/mariadbd.pid" --log-error="$CLUSTER_DIR/log/mariadbd.log" --skip-networking \
        --innodb-buffer-pool-size=64M --innodb-log-file-size=32M --innodb-lock-wait-timeout=900 \
        --innodb-flush-log-at-trx-commit=2 --max-allowed-packet=16M --performance-schema=OFF
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

# While the controller can still write down how they ended; with jobs on its hands it would take long to stop.
cancel_jobs() {
    if ! running slurmctld; then return; fi
    timeout 15 squeue -h -t running,suspended -o %A 2>>"$LOG" | quietly xargs -r scancel || true
    wait_until 1 no_job_runs || kill_jobs
    wait_until 5 no_job_runs || true
}

no_job_runs() { [[ -z $(timeout 15 squeue -h -t running,suspended,completing -o %A) ]]; }

# Whatever Slurm has not ended yet. A job's processes are known by their control group, or by the cluster's name in their
# environment, or by the session they share with one that has it (a container's own environment is clean).
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
    # Every process's number and session, after the name in parentheses, which may hold anything.
    sed -s 's/^\([0-9]*\) .*) . [0-9]* [0-9]* \([0-9]*\) .*/\1 \2/' /proc/[0-9]*/stat 2>/dev/null |
        awk -v marked="$(marked_processes | xargs)" '
            BEGIN { split(marked, list); for (i in list) is_marked[list[i]] }
            { session[$1] = $2; if ($1 in is_marked) is_ours[$2] }
            END { for (pid in session) if (pid in is_marked || session[pid] in is_ours) print pid }' || true
}

marked_processes() {
    {
        grep -lsazx "SLURM_CLUSTER_NAME=$CLUSTER_NAME" /proc/[0-9]*/environ
        grep -lsa '^slurmstepd: ' /proc/[0-9]*/cmdline
        grep -lsE ':/slurm[^/]*/uid_[0-9]+/job_' /proc/[0-9]*/cgroup
    } | cut -d/ -f3 || true # none is fine
}
