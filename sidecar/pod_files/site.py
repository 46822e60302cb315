"""What the site's settings say about every job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSite:
    """The part of the settings that ends up in batch scripts."""

    data_root: Path
    """``DataRootFolder``: pods' directories and, in ``.images``, images that were fetched."""
    most_restarts: int | None = None
    """How often a container may be started again; ``None``: as often as the pod's restartPolicy wants."""
    shared_fs: bool = True
    """Compute nodes see ``data_root``; otherwise a pod's files travel inside its script.

    A node that does not see the pod's directory keeps claim, report and logs in a directory of its own, and they go
    with the job: then Slurm alone tells how the pod ended, and there are no logs to show.
    """
    bash_path: str = "/bin/bash"
    runner_python: str = ""
    """Python on the compute nodes, an absolute path; empty: looked for in the usual places."""
    log_max_bytes: int = 0
    """At which size a container's log is rotated; 0: never."""
    log_max_files: int = 2
    """How many files a container's log has at most, the one being written included."""
    command_prefix: str = ""
    """The admin's shell text, run before the user's."""
    runtime: str = "singularity"
    """``singularity`` (also Apptainer) or ``enroot``."""
    runtime_program: str = "apptainer"
    runtime_prefix: str = ""
    """The admin's shell text before every call of the runtime, on its line."""
    tsocks_library: str = ""
    """The proxy library that containers are started with; empty: no proxy."""
    tsocks_login: tuple[str, ...] = ()
    """Words for ssh: the login node that the proxy's tunnel leads through."""
    registry_auth_file: Path | None = None
    """Logins for registries, in the form of Docker's ``config.json``; ``{namespace}`` in it is the pod's."""
    allowed_host_paths: tuple[str, ...] = ()
    """Path prefixes that may be mounted; empty: any."""
    protected_paths: tuple[str, ...] = ()
    """Paths that no pod may mount, nor anything above or below them."""
