"""Names of the files of one pod; nothing else in this program knows them (the runner's shell code repeats them).

The directory is the pod's own, mode 0700: it holds secrets on their way into containers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ABANDONED_PREFIXES = (".new-", ".gone-")
"""Directories that were being written or removed when the sidecar stopped."""


@dataclass(frozen=True, slots=True)
class PodDirectory:
    """``<DataRootFolder>/<namespace>-<uid>``."""

    root: Path

    @classmethod
    def of(cls, data_root: Path, *, namespace: str, uid: str) -> PodDirectory:
        """The directory of a pod whose namespace and UID have been checked."""
        return cls(data_root / f"{namespace}-{uid}")

    @staticmethod
    def images_of(data_root: Path, uid: int) -> Path:
        """Where a user's jobs keep images, if several users' jobs share the data folder."""
        return data_root / ".images" / str(uid)

    @property
    def script(self) -> Path:
        """What sbatch is given."""
        return self.root / "job.slurm"

    def container_script(self, container: str) -> Path:
        """Environment, command and arguments of a container, as bash; secret."""
        return self.root / "containers" / f"{container}.sh"

    def volume(self, volume: str) -> Path:
        """The files of a ConfigMap, Secret or projected volume."""
        return self.root / "volumes" / volume

    def empty_dir(self, volume: str) -> Path:
        """An emptyDir, made by the job."""
        return self.root / "emptydirs" / volume

    @property
    def logs(self) -> Path:
        """Where all logs are."""
        return self.root / "logs"

    def log(self, container: str, attempt: int) -> Path:
        """What one run of a container wrote to its two outputs."""
        return self.logs / f"{container}.{attempt}.log"

    def words(self, container: str, attempt: int, what: str) -> Path:
        """What a container (``message``), a probe or a hook said at the end of one run."""
        return self.logs / f"{container}.{attempt}.{what}"

    def log_index(self, container: str, attempt: int) -> Path:
        """Lines of ``<epoch seconds> <size>``: when that log had grown to which size."""
        return self.logs / f"{container}.{attempt}.index"

    def pull_log(self, container: str) -> Path:
        """What the runtime said while it last fetched the container's image."""
        return self.logs / f"{container}.pull.log"

    @property
    def report(self) -> Path:
        """The job's facts, one JSON object a line."""
        return self.root / "report.jsonl"

    @property
    def claim(self) -> Path:
        """Holds the id of the one job that may run this pod."""
        return self.root / "claim"

    @property
    def deleted(self) -> Path:
        """While it exists no job starts this pod any more."""
        return self.root / "deleted"

    @property
    def grace(self) -> Path:
        """Seconds that a deletion leaves the containers, where it exists; otherwise it is the pod's own period."""
        return self.root / "grace"

    @property
    def output(self) -> Path:
        """Slurm's own output file: what the admin's and user's shell text and the runner print."""
        return self.root / "job.out"
