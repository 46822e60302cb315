"""A pod as the sidecar understands it: checked, with Kubernetes' defaults applied, ready to be planned.

Values of environment variables and contents of volumes are secrets (interLink sends resolved Kubernetes Secrets as
plain values), so the types that hold them keep them out of ``repr``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sidecar.domain.health import Action, Probe
from sidecar.domain.logins import Login
from sidecar.domain.names import Names


class ContainerRole(StrEnum):
    """Which of a pod's two lists a container comes from."""

    INIT = "init"
    SIDECAR = "sidecar"
    """A native sidecar: an init container that goes on beside the main ones (``restartPolicy: Always``)."""
    MAIN = "main"


class RestartPolicy(StrEnum):
    """When a container that ended is started again (``pod.spec.restartPolicy``)."""

    ALWAYS = "Always"
    ON_FAILURE = "OnFailure"
    NEVER = "Never"


class PullPolicy(StrEnum):
    """When an image is fetched (``container.imagePullPolicy``)."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a container (or a whole pod) asks for; ``None`` where it states nothing."""

    cpu_millis: int | None = None
    """Thousandths of a core."""
    memory_bytes: int | None = None
    ephemeral_bytes: int | None = None
    """``ephemeral-storage``: kept for the record, since no option of Slurm limits a job's files."""
    devices: tuple[tuple[str, int], ...] = ()
    """GPUs and everything else that has a vendor's name, such as ``("nvidia.com/gpu", 2)``; by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One volume as one container sees it."""

    volume: str
    path: str
    """Absolute path inside the container."""
    read_only: bool = False
    recursively_read_only: bool = False
    """Nothing mounted below it may be writable either."""
    sub_path: str = ""
    """Relative path of one file or directory inside the volume; empty for the whole volume."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container of a pod."""

    name: str
    role: ContainerRole
    image: str
    """The image as the pod names it."""
    command: tuple[str, ...] = field(default=(), repr=False)
    """Replaces the image's entrypoint; empty: the image decides. ``$(VAR)`` is already expanded."""
    args: tuple[str, ...] = field(default=(), repr=False)
    """Replaces the image's CMD. ``$(VAR)`` is already expanded."""
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Name and value, in order."""
    working_dir: str = ""
    mounts: tuple[Mount, ...] = ()
    requests: Resources = Resources()
    pull_policy: PullPolicy = PullPolicy.IF_NOT_PRESENT
    startup: Probe | None = None
    liveness: Probe | None = None
    readiness: Probe | None = None
    post_start: Action | None = None
    """Done in the container right after its start."""
    pre_stop: Action | None = None
    """Done before the container is told to end."""
    stop_signal: str = "TERM"
    """Asks the container to end; a name without ``SIG``."""
    termination_message_path: str = "/dev/termination-log"
    """Where the container leaves its last words."""
    termination_message_from_log: bool = False
    """Whether the log's end stands in for a missing message after a failure."""
    read_only_root: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeFile:
    """One file of a ConfigMap, Secret or projected volume."""

    path: str
    """Relative to the volume, without ``..``."""
    content: bytes = field(repr=False)
    mode: int = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesVolume:
    """A ConfigMap, Secret or projected volume: exactly these files."""

    name: str
    files: tuple[VolumeFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyDirVolume:
    """A directory shared by the pod's containers, empty at the start and gone with the pod."""

    name: str
    in_memory: bool = False
    size_limit_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPathVolume:
    """A path of the compute node."""

    name: str
    path: str
    type: str = ""
    """Kubernetes' hostPath type, checked on the node; empty: no check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimVolume:
    """A persistentVolumeClaim that the site keeps as a directory of the cluster's file system."""

    name: str
    path: str
    read_only: bool = False


Volume = FilesVolume | EmptyDirVolume | HostPathVolume | ClaimVolume


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """What the pod's ``slurm-job.vk.io/`` and ``interlink.eu/`` annotations say; shell texts are the user's own."""

    flags: tuple[str, ...] = ()
    """sbatch options, already split into words."""
    flavor: str = ""
    pre_exec: str = ""
    image_root: str = ""
    mpi_flags: tuple[str, ...] | None = None
    """``None``: no MPI; otherwise the words for ``mpiexec``."""
    runtime_commands: str = ""
    """Shell text put before the runtime call on its line (``singularity-commands``)."""
    runtime_mounts: tuple[str, ...] = ()
    """Words for the runtime, such as ``--bind=/data:/data``."""
    runtime_options: tuple[str, ...] = ()
    pod_ip: str = ""
    tunnel_commands: str = ""
    """Shell lines that start interLink's wstunnel client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One pod, as accepted."""

    uid: str
    namespace: str
    name: str
    containers: tuple[Container, ...]
    """Init containers first, then main containers, each in the pod's order."""
    volumes: tuple[Volume, ...] = ()
    names: Names = field(default_factory=Names)
    restart_policy: RestartPolicy = RestartPolicy.ALWAYS
    grace_seconds: int = 30
    deadline_seconds: int | None = None
    requests: Resources = Resources()
    """What the pod as a whole asks for (``spec.resources``), beside what its containers say."""
    limits: Resources = Resources()
    overhead: Resources = Resources()
    """What comes on top (``spec.overhead``)."""
    job_script: str = field(default="", repr=False)
    """A script that runs in place of the containers; empty: the containers run."""
    options: JobOptions = JobOptions()
    logins: tuple[Login, ...] = ()
    """From the pod's imagePullSecrets."""
    run_as_user: int | None = None
    run_as_group: int | None = None
    notes: tuple[str, ...] = ()
    """What was ignored or read in an unusual way, one sentence each, for the pod's history."""

    @property
    def by_volume(self) -> Mapping[str, Volume]:
        """The pod's volumes by name."""
        return {volume.name: volume for volume in self.volumes}
