"""What everything in one job shares: its pod, its places, its clock, and whether it is asked to stop."""

import os
import time

from sidecar.runner.contract import layout
from sidecar.runner.contract.layout import PodFiles
from sidecar.runner.report import Report
from sidecar.runner.system import signals
from sidecar.runner.system.event_loop import Future, Loop
from sidecar.runner.system.files import tail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Optional

    from sidecar.runner.contract.pod_document import PodDocument


_SHELL_WORDS_BYTES = 1024


class Job:
    """One per run of the supervisor."""

    def __init__(
        self,
        loop: Loop,
        document: "PodDocument",
        *,
        directory: str,
        files_root: str,
        private: str,
        environment: "Dict[bytes, bytes]",
    ) -> None:
        """
        :param directory: the pod's, or one of this job alone where nodes do not see it
        :param files_root: where the pod's document and the files of its volumes are
        :param private: a folder of this job on the node
        :param environment: as the shell text before the containers has left it
        """
        self.loop = loop
        self.document = document
        self.site = document["site"]
        self.files = PodFiles(directory)
        self.files_root = files_root
        self.private = private
        self.work = os.path.join(private, "work")
        self.environment = environment
        self.variables = {_text(name): _text(value) for name, value in environment.items()}
        """The same, as texts."""
        self.id = job_id(environment)
        self.node = node_name(environment)
        self.stopping = Future()
        """Comes when the job is asked to stop."""
        self.expired = Future()
        """Comes when the pod has run for its ``activeDeadlineSeconds``."""
        self.grace_began: "Optional[float]" = None
        bell = layout.bell(self.site["data_root"], os.getuid()) if self.site["shared_fs"] else ""
        self.report = Report(self.files.path(layout.REPORT), bell)

    def heed_signals(self) -> None:
        """From now on SIGTERM asks the job to stop; other signals, which users send ahead of it, do nothing."""
        self.loop.on_signal(signals.SIGTERM, self._stop)
        for number in (signals.SIGHUP, signals.SIGINT, signals.SIGUSR1, signals.SIGUSR2):
            self.loop.on_signal(number, lambda: None)

    def _stop(self) -> None:
        self.report.write_stopping()
        self.begin_grace()
        self.stopping.set()

    def begin_grace(self) -> None:
        """The grace period begins, unless it has."""
        if self.grace_began is None:
            self.grace_began = self.loop.now()

    def set_deadline(self, seconds: int, began_at: float) -> None:
        """Let the pod expire so many seconds after an epoch time, once."""

        def expire(_: Future) -> None:
            self.report.write(("deadline_exceeded", {"seconds": seconds}))
            self.begin_grace()
            self.expired.set()

        self._deadline = self.loop.timer(max(0.0, began_at + seconds - time.time()))
        self._deadline.when_done(expire)
        self._expire = expire

    def forget_deadline(self) -> None:
        """Nothing expires any more."""
        if hasattr(self, "_deadline"):
            self._deadline.forget(self._expire)
            self._deadline.set()

    def shell_words(self) -> str:
        """A sentence with what CommandPrefix or pre-exec said last; empty where they said nothing.

        They go on after most failures, so that a module that could not be loaded is only missed later.
        """
        if not self.document["has_shell_text"]:
            return ""
        said = tail(self.files.path(layout.OUTPUT), _SHELL_WORDS_BYTES).decode("utf-8", "replace").strip()
        return f"the shell text before the containers said: {said}" if said else ""

    @property
    def must_end(self) -> bool:
        """Whether nothing new may start."""
        return self.stopping.is_done or self.expired.is_done

    def grace_seconds(self) -> int:
        """The pod's grace period; a deletion may leave less time, or more."""
        try:
            with open(self.files.path(layout.GRACE), "rb") as file:
                text = file.read(16).strip()
        except OSError:
            text = b""
        return int(text) if text.isdigit() and len(text) <= 9 else self.document["grace_seconds"]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def job_id(environment: "Dict[bytes, bytes]") -> str:
    """The Slurm job's id, as squeue prints it."""
    array = environment.get(b"SLURM_ARRAY_JOB_ID")
    if array:
        return f"{array.decode()}_{environment.get(b'SLURM_ARRAY_TASK_ID', b'').decode()}"
    return environment.get(b"SLURM_JOB_ID", b"0").decode()


def node_name(environment: "Dict[bytes, bytes]") -> str:
    """What Slurm calls this node."""
    name = environment.get(b"SLURMD_NODENAME", b"").decode("ascii", "replace") or os.uname().nodename
    return "".join(character for character in name if character.isalnum() or character in "._-")
