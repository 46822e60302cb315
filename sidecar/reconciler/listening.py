"""Which pods' reports to read this second, without a look at each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from sidecar.domain.lifecycle import Phase
from sidecar.domain.state import PodState
from sidecar.pod_files import directory
from sidecar.pod_files.bells import Bell
from sidecar.pod_files.paths import PodDirectory
from sidecar.runner.contract.layout import DOCUMENT

MAX_SILENT_QUEUED = 500
"""How many waiting jobs that do not ring are looked at each second, oldest first: those start next."""


class Listener:
    """Hears the bells of the users whose pods are under way.

    Jobs that were submitted by a version of the program without bells are looked at each second, as that version did.
    """

    def __init__(self, data_root: Path, own_uid: int, directory_of: Callable[[PodState], PodDirectory]) -> None:
        """
        :param own_uid: whose the jobs are that run as no other user
        """
        self._data_root = data_root
        self._own_uid = own_uid
        self._directory_of = directory_of
        self._bells: dict[int, Bell] = {}
        self._pods: dict[int, dict[str, str]] = {}
        """By user, the UID of each pod by the name of its directory."""
        self._rings: dict[str, bool] = {}
        """By pod UID, whether its job rings."""
        self._silent: list[str] = []
        self._due: set[str] = set()
        self._echoes: set[str] = set()

    def watch(self, pods: Iterable[PodState]) -> None:
        """These are the pods whose jobs may report now."""
        pods = list(pods)
        self._pods = {}
        for pod in pods:
            name = self._directory_of(pod).root.name
            self._pods.setdefault(self._user_of(pod), {})[name] = pod.uid
        self._bells = {uid: self._bells.get(uid) or Bell(self._data_root, uid) for uid in self._pods}
        known = self._rings
        self._rings = {pod.uid: known[pod.uid] if pod.uid in known else self._can_ring(pod) for pod in pods}
        silent = [pod for pod in pods if not self._rings[pod.uid]]
        queued = sorted(
            (p for p in silent if p.phase is Phase.SUBMITTED), key=lambda p: p.submitted_at or p.accepted_at
        )
        running = [pod for pod in silent if pod.phase is not Phase.SUBMITTED]
        self._silent = [pod.uid for pod in (*running, *queued[:MAX_SILENT_QUEUED])]
        self._due &= self._rings.keys()

    def due(self) -> set[str]:
        """UIDs of the pods that have rung, or cannot, until :meth:`heard`."""
        for uid, bell in self._bells.items():
            rings, pods = bell.listen(), self._pods[uid]
            self._due.update(pods.values() if rings.unclear else (pods[name] for name in rings.names & pods.keys()))
        return {*self._due, *self._silent, *self._echoes}

    def heard(self, uids: set[str], *, without_news: set[str]) -> None:
        """These pods' reports were read and taken in.

        :param without_news: a network file system may show the ring before the report, so these are read once more
        """
        self._echoes = without_news & self._due
        self._due -= uids

    def _user_of(self, pod: PodState) -> int:
        return self._own_uid if pod.run_as_user is None else pod.run_as_user

    def _can_ring(self, pod: PodState) -> bool:
        files = self._directory_of(pod)
        return directory.holds(files, files.root / DOCUMENT)
