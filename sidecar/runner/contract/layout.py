"""Names of the files that the daemon and the supervisor share; nothing else in either program knows them.

The pod's directory is ``<DataRootFolder>/<namespace>-<uid>``, mode 0700. Beside the pods' directories are the images,
the supervisors and the bells.
"""

import os

SUPERVISORS = ".supervisors"
IMAGES = ".images"
BELLS = ".bells"

DOCUMENT = "pod.json"
SCRIPT = "job.slurm"
OUTPUT = "job.out"
CLAIM = "claim"
DELETED = "deleted"
GRACE = "grace"
REPORT = "report.jsonl"
LOGS = "logs"
VOLUMES = "volumes"
EMPTY_DIRS = "emptydirs"
JOB_SCRIPT = "jobscript"
SUPERVISOR = "supervisor.pyz"
"""Another name of the supervisor's file: as long as there is one, a job may need that version."""


class PodFiles:
    """The paths below one pod's directory."""

    def __init__(self, root: str) -> None:
        self.root = root

    def path(self, *names: str) -> str:
        """A path below the directory."""
        return os.path.join(self.root, *names)

    def log(self, container: str, attempt: int) -> str:
        """What one run of a container wrote to its two outputs, since its log was last rotated."""
        return self.path(LOGS, f"{container}.{attempt}.log")

    def log_index(self, container: str, attempt: int) -> str:
        """Lines of ``<epoch seconds> <size>``: when that log had grown to which size."""
        return self.path(LOGS, f"{container}.{attempt}.index")

    def pull_log(self, container: str) -> str:
        """What the runtime said while it last fetched the container's image."""
        return self.path(LOGS, f"{container}.pull.log")

    def volume(self, name: str) -> str:
        """The files of a ConfigMap, Secret or projected volume."""
        return self.path(VOLUMES, name)

    def empty_dir(self, name: str) -> str:
        """An emptyDir on disk."""
        return self.path(EMPTY_DIRS, name)


def rotated(log: str, number: int) -> str:
    """The name of a log, or of its index, after so many rotations; 1 is the newest."""
    return f"{log}.{number}"


def image_cache(data_root: str, uid: int) -> str:
    """Where a user's jobs keep images: what somebody else has put there cannot be trusted."""
    return os.path.join(data_root, IMAGES, str(uid))


def bell(data_root: str, uid: int) -> str:
    """The file to which a user's jobs append the name of the pod's directory when its report has grown."""
    return os.path.join(data_root, BELLS, str(uid))


def supervisor(data_root: str, digest: str) -> str:
    """The supervisor of one version."""
    return os.path.join(data_root, SUPERVISORS, f"{digest}.pyz")
