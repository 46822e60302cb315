# shellcheck shell=bash
#
# The folders and configuration files of the cluster. Sourced by slurm.sh, never run.

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
    write_cgroup_conf >"$CLUSTER_DIR/etc/cgroup.conf"
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

# Jobs may ask for --gres=gpu:1. Slurm wants a device per card, to number them in CUDA_VISIBLE_DEVICES: any will do.
pretend_gpus() {
    local n
    mkdir -p "$CLUSTER_DIR/gpus"
    for n in 0 1 2 3; do ln -sfn /dev/null "$CLUSTER_DIR/gpus/gpu$n"; done
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

ProctrackType=proctrack/$(process_tracking)
$(write_task_lines)

SelectType=select/cons_tres
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

# As sites do it, where this machine lets us: the freezer keeps hold of every process of a job. Without it Slurm
# follows parents, and a process whose parent has ended (an Apptainer instance is one) outlives its job.
process_tracking() { if can_freeze; then printf cgroup; else printf linuxproc; fi; }

# Memory is confined where this machine lets us: a job that uses more than it asked for is killed. Elsewhere its memory
# is recorded only. Who asks for none has a share that goes with the cores.
write_task_lines() {
    if can_confine; then
        printf 'TaskPlugin=task/cgroup\nSelectTypeParameters=CR_Core_Memory\nDefMemPerCPU=%d\n' $((NODE_MEMORY_MB / NODE_CPUS))
    else
        printf 'TaskPlugin=task/none\nSelectTypeParameters=CR_Core\n'
    fi
}

can_confine() { can_use memory; }

can_freeze() { can_use freezer; }

can_use() { [[ $(stat -f -c %T "$CGROUPS/$1" 2>/dev/null) == cgroupfs && -w $CGROUPS/$1 ]]; }

write_cgroup_conf() {
    cat <<END
# Written by scripts/cluster at each start; changes made here are lost.
CgroupPlugin=cgroup/v1
CgroupMountpoint=$CGROUPS
ConstrainRAMSpace=$(if can_confine; then printf yes; else printf no; fi)
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
