"""``pod.json``: everything that a job needs to know, as the daemon writes it and the supervisor reads it.

The document holds secrets (environment, commands, logins), so the file has mode 0600.

A text of an environment variable, command, argument or mount may hold one of :data:`NODE_FACTS` between two NUL
characters, which no such text can have of its own: the supervisor puts in what only the node knows.
"""

from sidecar.runner.contract import plain_json

TYPE_CHECKING = False
if TYPE_CHECKING:  # novm
    from typing import Dict, List, Optional, TypedDict

    class ActionDocument(TypedDict, total=False):
        """What a probe asks or a hook does; ``kind`` says which of the fields are there."""

        kind: str
        """``exec``, ``http``, ``tcp``, ``grpc`` or ``sleep``."""
        command: List[str]
        scheme: str
        host: str
        port: int
        path: str
        """With its query, as the pod has it."""
        headers: List[List[str]]
        service: str
        tls: bool
        seconds: int

    class ProbeDocument(TypedDict):
        """A question asked again and again; see the domain's ``Probe``."""

        action: ActionDocument
        initial_delay_seconds: int
        period_seconds: int
        timeout_seconds: int
        success_threshold: int
        failure_threshold: int
        grace_seconds: Optional[int]

    class MountDocument(TypedDict):
        """One volume as one container sees it."""

        volume: str
        path: str
        read_only: bool
        sub_path: str

    class VolumeDocument(TypedDict):
        """One volume of the pod."""

        name: str
        kind: str
        """``files``, ``disk``, ``memory``, ``claim`` or ``host``."""
        path: str
        """Of a claim or a path of the node."""
        type: str
        """The hostPath type."""

    class GpuDocument(TypedDict):
        """Which of the job's GPUs are a container's."""

        first: int
        count: int
        out_of: int

    class ContainerDocument(TypedDict):
        """One container."""

        name: str
        role: str
        """``init``, ``sidecar`` or ``main``."""
        image: str
        image_keys: List[str]
        """What the image's files in the cache begin with: where it is put, then where else it may be."""
        image_namespace: str
        """Whose the image is, where a login is needed."""
        login: str
        """The text of a ``config.json`` with the login for the image's registry; empty: none."""
        pull_policy: str
        command: List[str]
        args: List[str]
        env: List[List[str]]
        """Name and value, in the order in which they are set."""
        working_dir: str
        runtime_options: List[str]
        writable: bool
        stop_signal: str
        message_path: str
        message_from_log: bool
        mounts: List[MountDocument]
        startup: Optional[ProbeDocument]
        liveness: Optional[ProbeDocument]
        readiness: Optional[ProbeDocument]
        post_start: Optional[ActionDocument]
        pre_stop: Optional[ActionDocument]
        gpus: Optional[GpuDocument]

    class NamesDocument(TypedDict):
        """What the pod is called and calls others."""

        hostname: str
        fqdn: str
        aliases: List[List[str]]
        resolver: str
        """``none``: the node's; ``more``: in addition to the node's; ``own``."""
        nameservers: List[str]
        searches: List[str]
        resolver_options: List[str]

    class SiteDocument(TypedDict):
        """What the site says about every job."""

        data_root: str
        shared_fs: bool
        bash: str
        runtime: str
        """``singularity`` (also Apptainer) or ``enroot``."""
        runtime_program: str
        runtime_prefix: str
        """Shell text before every call of the runtime, on its line."""
        allowed_paths: List[str]
        protected_paths: List[str]
        max_restarts: Optional[int]
        tsocks_library: str
        tsocks_login: List[str]
        log_max_bytes: int
        """At which size a container's log is rotated; 0: never."""
        log_max_files: int
        """How many files a container's log has at most."""

    class BackoffDocument(TypedDict):
        """Seconds between two runs of a container."""

        first: float
        longest: float
        reset_after: float

    class PodDocument(TypedDict):
        """The whole."""

        version: int
        namespace: str
        name: str
        uid: str
        restart_policy: str
        grace_seconds: int
        deadline_seconds: Optional[int]
        pod_ip: str
        mpi: Optional[List[str]]
        """Words for ``mpiexec``; ``None``: no MPI."""
        runtime_commands: str
        """The pod's own shell text before the call that starts a container."""
        in_mesh: bool
        """Whether the containers run inside of interLink's mesh.sh."""
        has_shell_text: bool
        """Whether text of the site's or the pod's has run before the supervisor."""
        tunnel_commands: str
        job_script: str
        """A script in place of the containers; empty: the containers run."""
        names: NamesDocument
        volumes: List[VolumeDocument]
        containers: List[ContainerDocument]
        site: SiteDocument
        backoff: BackoffDocument


VERSION = 1
NODE_FACTS = ("nodeName", "podIP", "hostIP")


class UnreadableDocument(Exception):
    """It is not a document that this program can run; the text says why."""


def encode(document: "PodDocument") -> bytes:
    """The document as it is stored."""
    import json

    return json.dumps(document, separators=(",", ":")).encode("ascii")


def decode(data: bytes) -> "PodDocument":
    """The document that was stored.

    :raises UnreadableDocument: it is damaged, of another version, or no such document
    """
    try:
        document = plain_json.loads(data.decode("utf-8"))
        version = document["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UnreadableDocument("it is damaged, or not written by slurm-sidecar") from None
    if version != VERSION:
        raise UnreadableDocument(f"it has version {version}, and this supervisor reads version {VERSION}")
    if not isinstance(document.get("containers"), list) or not isinstance(document.get("site"), dict):
        raise UnreadableDocument("it is damaged, or not written by slurm-sidecar")
    return document  # type: ignore[no-any-return]


def node_fact(name: str) -> str:
    """The text that stands for something that only the node knows."""
    return f"\0{name}\0"


def with_node_facts(text: str, facts: "Dict[str, str]") -> str:
    """The text with what the node knows."""
    if "\0" not in text:
        return text
    for name, value in facts.items():
        text = text.replace(node_fact(name), value)
    return text
