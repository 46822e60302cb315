"""The paths of one pod's files; their names are agreed on with the supervisor in ``runner/contract/layout.py``.

The directory is the pod's own, mode 0700: it holds secrets on their way into containers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sidecar.runner.contract import layout

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
        return Path(layout.image_cache(str(data_root), uid))

    @property
    def _files(self) -> layout.PodFiles:
        return layout.PodFiles(str(self.root))

    @property
    def script(self) -> Path:
        """What sbatch is given."""
        return self.root / layout.SCRIPT

    def volume(self, volume: str) -> Path:
        """The files of a ConfigMap, Secret or projected volume."""
        return self.root / layout.VOLUMES / volume

    def empty_dir(self, volume: str) -> Path:
        """An emptyDir, made by the job."""
        return self.root / layout.EMPTY_DIRS / volume

    @property
    def logs(self) -> Path:
        """Where all logs are."""
        return self.root / layout.LOGS

    def log(self, container: str, attempt: int) -> Path:
        """What one run of a container wrote to its two outputs."""
        return Path(self._files.log(container, attempt))

    def words(self, container: str, attempt: int, what: str) -> Path:
        """What a container (``message``), a probe or a hook said, where a job of the version before has run it."""
        return self.logs / f"{container}.{attempt}.{what}"

    def log_index(self, container: str, attempt: int) -> Path:
        """Lines of ``<epoch seconds> <size>``: when that log had grown to which size."""
        return Path(self._files.log_index(container, attempt))

    def pull_log(self, container: str) -> Path:
        """What the runtime said while it last fetched the container's image."""
        return Path(self._files.pull_log(container))

    @property
    def report(self) -> Path:
        """The job's facts, one JSON object a line."""
        return self.root / layout.REPORT

    @property
    def claim(self) -> Path:
        """Holds the id of the one job that may run this pod."""
        return self.root / layout.CLAIM

    @property
    def deleted(self) -> Path:
        """While it exists no job starts this pod any more."""
        return self.root / layout.DELETED

    @property
    def grace(self) -> Path:
        """Seconds that a deletion leaves the containers, where it exists; otherwise it is the pod's own period."""
        return self.root / layout.GRACE

    @property
    def output(self) -> Path:
        """Slurm's own output file: what the admin's and user's shell text and the supervisor print."""
        return self.root / layout.OUTPUT
