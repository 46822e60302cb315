"""Every key of ``SlurmConfig.yaml`` with its meaning and its default, in one place.

A field's name is its key in snake_case. A site of interLink's Slurm plugin keeps its file and its environment:
https://github.com/interlink-hq/interlink-slurm-plugin/blob/main/pkg/slurm/types.go
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sidecar.domain.flags import Flag
from sidecar.domain.plan import Flavor
from sidecar.settings import kinds
from sidecar.settings.reading import key, variable
from sidecar.settings.tables import DEVICES, FLAVORS, TAINTS, Taint


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What the site writes; memory is in bytes, times are in seconds."""

    sidecar_port: int = field(
        metadata=key(
            "SidecarPort",
            kinds.PORT,
            "Where interLink finds us; unused when `Socket` is set.",
            "4000",
            environment="SIDECARPORT",
        )
    )
    listen_address: str = field(
        metadata=key(
            "ListenAddress",
            kinds.ADDRESS,
            "Address of the port. The protocol has no authentication: who reaches the port can run jobs.",
            "127.0.0.1",
        )
    )
    socket: Path | None = field(
        metadata=key(
            "Socket", kinds.SOCKET, "Unix socket, mode 0600, in place of the port; `unix://` may stand before it."
        )
    )
    sbatch_path: str = field(
        metadata=key(
            "SbatchPath",
            kinds.PROGRAM,
            "The `sbatch` program; a bare name is looked up in `PATH`.",
            "sbatch",
            environment="SBATCHPATH",
        )
    )
    scancel_path: str = field(
        metadata=key("ScancelPath", kinds.PROGRAM, "The `scancel` program.", "scancel", environment="SCANCELPATH")
    )
    squeue_path: str = field(
        metadata=key("SqueuePath", kinds.PROGRAM, "The `squeue` program.", "squeue", environment="SQUEUEPATH")
    )
    sinfo_path: str = field(
        metadata=key("SinfoPath", kinds.PROGRAM, "The `sinfo` program.", "sinfo", environment="SINFOPATH")
    )
    sacct_path: str = field(
        metadata=key("SacctPath", kinds.PROGRAM, "The `sacct` program.", "sacct", environment="SACCTPATH")
    )
    search_path: str = field(
        metadata=variable("PATH", kinds.LINE, "Where bare program names are looked up.", "/usr/local/bin:/usr/bin:/bin")
    )
    slurm_timeout: float = field(
        metadata=key("SlurmTimeout", kinds.SECONDS, "How long one Slurm command may take.", "60")
    )
    reconcile_interval: float = field(
        metadata=key("ReconcileInterval", kinds.SECONDS, "Time between two looks at Slurm's queue.", "5")
    )
    command_prefix: str = field(
        metadata=key("CommandPrefix", kinds.SCRIPT, "Put into every job's script before everything else that runs.")
    )
    container_runtime: str = field(
        metadata=key(
            "ContainerRuntime",
            kinds.RUNTIME,
            "Runs the containers; `singularity` also stands for Apptainer. For `enroot` see enroot.md.",
            "singularity",
        )
    )
    singularity_path: str = field(
        metadata=key(
            "SingularityPath",
            kinds.PROGRAM,
            "The container runtime on the compute nodes.",
            "singularity",
            environment="SINGULARITYPATH",
        )
    )
    singularity_prefix: str = field(
        metadata=key("SingularityPrefix", kinds.SCRIPT, "Put before the runtime call on its line.")
    )
    singularity_default_options: tuple[str, ...] = field(
        metadata=key(
            "SingularityDefaultOptions",
            kinds.WORDS,
            "Options of every runtime call. Pods that ask for a GPU get `--nv` or `--rocm` besides.",
            "--no-eval --containall",
        )
    )
    enroot_path: str = field(metadata=key("EnrootPath", kinds.PROGRAM, "Enroot on the compute nodes.", "enroot"))
    enroot_prefix: str = field(metadata=key("EnrootPrefix", kinds.SCRIPT, "Like `SingularityPrefix`."))
    enroot_default_options: tuple[str, ...] = field(
        metadata=key("EnrootDefaultOptions", kinds.WORDS, "Like `SingularityDefaultOptions`.", "--rw")
    )
    image_prefix: str = field(
        metadata=key(
            "ImagePrefix", kinds.LINE, "Such as `docker://`: put before images that have no scheme and no leading `/`."
        )
    )
    registry_auth_file: Path | None = field(
        metadata=key(
            "RegistryAuthFile",
            kinds.PATH,
            "Logins for image registries, in the form of Docker's `config.json`, for pods whose own do not fit; "
            "`{namespace}` in it stands for the pod's. Read anew for every pod.",
        )
    )
    export_pod_data: bool = field(
        metadata=key(
            "ExportPodData",
            kinds.FLAG,
            "Mount ConfigMaps, Secrets and projected volumes; `false`: refuse pods that need them.",
            "true",
        )
    )
    shared_fs: bool = field(
        metadata=variable(
            "SHARED_FS",
            kinds.FLAG,
            "Compute nodes see `DataRootFolder`; `false`: a pod's files travel inside its script.",
            "true",
        )
    )
    data_root_folder: Path = field(
        metadata=key(
            "DataRootFolder",
            kinds.PATH,
            "Where the pods' directories live; no pod can mount it.",
            "~/.local/interlink/jobs",
        )
    )
    database_path: Path = field(
        metadata=key(
            "DatabasePath",
            kinds.PATH,
            "The history of all pods, in a directory of its own, which no pod can mount.",
            "${XDG_STATE_HOME:-~/.local/state}/slurm-sidecar/sidecar.db",
            root_default="/var/lib/slurm-sidecar/sidecar.db",
        )
    )
    database_journal_mode: str = field(
        metadata=key(
            "DatabaseJournalMode",
            kinds.choice("wal", "delete"),
            "SQLite's journal; a database on a network file system needs `delete`.",
            "wal",
        )
    )
    namespace: str = field(metadata=key("Namespace", kinds.LABEL, "Namespace of a pod that states none.", "default"))
    tsocks: bool = field(
        metadata=key(
            "Tsocks",
            kinds.FLAG,
            "Run containers behind a proxy: the job opens an ssh tunnel to the login node, see networking.md.",
            "false",
            environment="TSOCKS",
        )
    )
    tsocks_path: str = field(
        metadata=key(
            "TsocksPath",
            kinds.LIBRARY,
            "`libtsocks.so` on the compute nodes; containers are started with it as `LD_PRELOAD`.",
            environment="TSOCKSPATH",
        )
    )
    tsocks_login_node: tuple[str, ...] = field(
        metadata=key(
            "TsocksLoginNode", kinds.WORDS, "Where the proxy's tunnel leads, perhaps with options: `-p 2222 me@login`."
        )
    )
    bash_path: str = field(
        metadata=key(
            "BashPath", kinds.INTERPRETER, "The shell that runs the scripts on the compute nodes.", "/bin/bash"
        )
    )
    runner_python: str = field(
        metadata=key(
            "RunnerPython",
            kinds.RUNNER,
            "Python 3.6 or newer on the compute nodes, for every job's supervisor; empty: found in the usual places.",
        )
    )
    container_log_max_size: int = field(
        metadata=key(
            "ContainerLogMaxSize",
            kinds.LOG_SIZE,
            "At which size a container's log is rotated, so that it cannot fill the file system.",
            "10Gi",
        )
    )
    container_log_max_files: int = field(
        metadata=key(
            "ContainerLogMaxFiles",
            kinds.LOG_FILES,
            "How many files a container's log may have, the one being written included; the oldest is removed.",
            "2",
        )
    )
    verbose_logging: bool = field(metadata=key("VerboseLogging", kinds.FLAG, "Log details too (`--verbose`).", "false"))
    errors_only_logging: bool = field(
        metadata=key(
            "ErrorsOnlyLogging", kinds.FLAG, "Log errors only (`--errorsonly`); `VerboseLogging` wins.", "false"
        )
    )
    log_format: str = field(
        metadata=key(
            "LogFormat", kinds.choice("auto", "text", "json"), "`auto`: text on a terminal, otherwise JSON.", "auto"
        )
    )
    enable_probes: bool = field(
        metadata=key(
            "EnableProbes", kinds.FLAG, "`false`: probes in a pod are ignored, and its history says so.", "true"
        )
    )
    max_restarts: int | None = field(
        metadata=key(
            "MaxRestarts",
            kinds.RESTARTS,
            "How often a job may start a container again, whatever the pod's restartPolicy; absent: no limit.",
        )
    )
    flavors: Mapping[str, Flavor] = field(
        metadata=key("Flavors", FLAVORS, "Named sets of defaults for jobs, see below.")
    )
    default_flavor: str = field(
        metadata=key(
            "DefaultFlavor", kinds.LINE, "Flavor of a pod that names none and asks for no GPU that decides it."
        )
    )
    default_uid: int | None = field(
        metadata=key(
            "DefaultUID",
            kinds.UID,
            "User the jobs run as, which a daemon that runs as root needs; otherwise the daemon's own.",
        )
    )
    allowed_uids: tuple[range, ...] = field(
        metadata=key(
            "AllowedUIDs",
            kinds.UIDS,
            "Whom pods may name in `runAsUser` besides `DefaultUID` and flavors' `UID`, if the daemon runs as root.",
        )
    )
    default_cpu: int | None = field(
        metadata=key("DefaultCPU", kinds.CORES, "Cores of a pod when neither it nor its flavor states them.")
    )
    default_memory: int | None = field(
        metadata=key(
            "DefaultMemory",
            kinds.MEMORY,
            "Memory of a pod when neither it nor its flavor states it; else the partition's default.",
        )
    )
    allowed_host_paths: tuple[str, ...] = field(
        metadata=key(
            "AllowedHostPaths", kinds.PATHS, "Prefixes a hostPath must have; empty: wherever the job's user may go."
        )
    )
    persistent_volume_claims: Mapping[str, str] = field(
        metadata=key(
            "PersistentVolumeClaims",
            kinds.CLAIMS,
            "Folders on the compute nodes by `claim` or `namespace/claim`; a claim that is not here is refused.",
        )
    )
    writable_root_filesystem: bool = field(
        metadata=key(
            "WritableRootFilesystem",
            kinds.FLAG,
            "Let containers write to their image's file system, as in Kubernetes, until they end; `false`: read-only, "
            "which starts faster and reads many small files faster.",
            "true",
        )
    )
    allow_pre_exec: bool = field(
        metadata=key(
            "AllowPreExec",
            kinds.FLAG,
            "Let pods bring shell text: annotations `pre-exec`, `singularity-commands`, interLink's tunnel commands.",
            "true",
        )
    )
    extended_resources: Mapping[str, Flag] = field(
        metadata=key(
            "ExtendedResources",
            DEVICES,
            "What to ask Slurm for where a pod asks for a device, see below; devices without an entry are refused.",
        )
    )
    extra_sbatch_options: tuple[str, ...] = field(
        metadata=key(
            "ExtraSbatchOptions",
            kinds.OPTION_NAMES,
            "Long names of options that plugins of this site's Slurm add to sbatch; other unknown ones are refused.",
        )
    )
    max_pods: int | None = field(
        metadata=key(
            "MaxPods",
            kinds.PODS,
            "How many pods the virtual node takes at a time, sent with every ping; else interLink's own number holds.",
        )
    )
    taints: tuple[Taint, ...] = field(
        metadata=key("Taints", TAINTS, "Taints of the virtual node, sent with every ping, see below; empty: not sent.")
    )
    resource_script_path: Path | None = field(
        metadata=key(
            "ResourceScriptPath",
            kinds.PATH,
            "Program that prints the node's resources (interLink's PingResponse) in place of `sinfo`.",
        )
    )
