"""From a pod and the site's policy to the one job that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sidecar.domain.flags import Flag
from sidecar.domain.logins import Login
from sidecar.domain.pod import Container, Resources
from sidecar.domain.users import UserPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavor:
    """A named set of defaults for jobs (``Flavors`` in the configuration)."""

    name: str
    description: str = ""
    cpu_default: int | None = None
    """Cores, for pods that state none."""
    memory_default_bytes: int | None = None
    uid: int | None = None
    slurm_flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePolicy:
    """What the site's configuration says about every pod."""

    flavors: Mapping[str, Flavor] = field(default_factory=dict)
    default_flavor: str = ""
    users: UserPolicy = field(default_factory=UserPolicy)
    default_cpu: int | None = None
    default_memory_bytes: int | None = None
    image_prefix: str = ""
    export_pod_data: bool = True
    enable_probes: bool = True
    allowed_host_paths: tuple[str, ...] = ()
    """Path prefixes; empty: wherever the job's user may go."""
    protected_paths: tuple[str, ...] = ()
    """Paths that no hostPath may touch: the data folder, the database, the configuration."""
    persistent_volume_claims: Mapping[str, str] = field(default_factory=dict)
    """Paths on the cluster by ``claim`` or ``namespace/claim``."""
    default_namespace: str = "default"
    runtime: str = "singularity"
    """``singularity`` (also Apptainer) or ``enroot``."""
    runtime_options: tuple[str, ...] = ("--no-eval", "--containall")
    """Options of every runtime call (``SingularityDefaultOptions``)."""
    allow_pre_exec: bool = True
    writable_root: bool = True
    """Containers may write to their image's file system unless they say otherwise."""
    extended_resources: Mapping[str, Flag] = field(default_factory=dict)
    """The sbatch option for a device, by Kubernetes' name; ``{count}`` in its value stands for how many."""
    extra_sbatch_options: tuple[str, ...] = ()
    """Long names of options that plugins of the site's Slurm add."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedContainer:
    """A container and how the runtime shall start it."""

    container: Container
    image: str
    """What the runtime is given: an absolute path or a URI such as ``docker://docker.io/library/busybox:1.36``."""
    login: Login | None = None
    """For the registry of ``image``."""
    runtime_options: tuple[str, ...]
    """All options of the runtime call except mounts, working directory and environment."""
    is_writable: bool = False
    """The image's file system can be written; what is written is gone with the container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlan:
    """The job: everything :mod:`sidecar.pod_files` needs to write it down."""

    job_name: str
    sbatch_options: tuple[str, ...]
    """Long-form words such as ``--cpus-per-task=2``, one per ``#SBATCH`` line; the contract's own options
    (``--comment``, ``--chdir``, ``--output``, ...) are added when the script is rendered."""
    containers: tuple[PlannedContainer, ...]
    requests: Resources
    uid: int | None = None
    """The user the job runs as; ``None``: the daemon's own."""
    notes: tuple[str, ...] = ()
