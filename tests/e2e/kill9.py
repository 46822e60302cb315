"""``kill -9`` of the daemon at random moments while pods are being created."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.counting import a_counting_pod, runs_of
from tests.e2e.daemon import Daemon
from tests.e2e.waiting import until
from tests.virtual_kubelet.admission import Json, admit_pod
from tests.virtual_kubelet.interlink import CallFailed, Interlink
from tests.virtual_kubelet.kubelet import VirtualKubelet

CALLERS = 3
LONGEST_LIFE_SECONDS = 0.2
"""A submission takes some hundredths of a second, so that many kills fall into one."""


def campaign(daemon: Daemon, *, creates: int, seed: int = 1) -> None:
    """Create pods with a caller that repeats every request until it is answered, under fire.

    :raises AssertionError: a pod has not exactly one job, or has not run exactly once
    """
    vk = daemon.kubelet()
    pods = [admit_pod(a_counting_pod(f"kill-{number}", daemon), "default") for number in range(creates)]
    with under_fire(daemon, random.Random(seed)) as kills, ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(lambda pod: _create_stubbornly(vk, pod), pods))
    _wait_for_ends(vk.interlink, pods)

    names = [pod["metadata"]["name"] for pod in pods]
    folders = [daemon.directory(pod["metadata"]["uid"]) for pod in pods]
    assert all(answers)
    assert kills, "the daemon was never killed"
    assert {name: runs_of(name, daemon) for name in names} == dict.fromkeys(names, 1)
    assert jobs_in_accounting(folders) == dict.fromkeys(folders, 1)


@contextmanager
def under_fire(daemon: Daemon, chance: random.Random) -> Iterator[list[float]]:
    """While the block runs, the daemon is killed and started again and again; it lives when the block has ended."""
    kills: list[float] = []
    ceasefire = threading.Event()

    def fire() -> None:
        while not ceasefire.wait(chance.uniform(0, LONGEST_LIFE_SECONDS)):
            daemon.kill()
            kills.append(time.monotonic())
            daemon.start()

    with ThreadPoolExecutor(1) as pool:
        firing = pool.submit(fire)
        try:
            yield kills
        finally:
            ceasefire.set()
            firing.result()


def _create_stubbornly(vk: VirtualKubelet, pod: Json) -> str:
    """Repeat the same request until there is an answer."""
    body = vk.create_request(pod)
    while True:
        try:
            return vk.interlink.create(body).PodJID
        except CallFailed:
            time.sleep(0.02)


def _wait_for_ends(interlink: Interlink, pods: Sequence[Json]) -> None:
    def all_ended() -> bool:
        entries = interlink.statuses(pods)
        return all("terminated" in entry["containers"][0]["state"] for entry in entries)

    until(all_ended, "every pod has run", timeout=60 + 2 * len(pods))


def jobs_in_accounting(folders: Sequence[Path]) -> dict[Path, int]:
    """How many jobs have ever begun in each of these folders; accounting lags by seconds."""
    counts: Counter[Path] = Counter()

    def all_there() -> bool:
        options = ["--allocations", "--noheader", "--parsable2", "--starttime=now-1hour", "--format=WorkDir"]
        said = subprocess.run(["sacct", *options], check=True, capture_output=True, text=True).stdout
        counts.clear()
        counts.update(path for path in map(Path, said.splitlines()) if path in set(folders))
        return len(counts) == len(folders)

    until(all_there, "accounting knows every job")
    return dict(counts)
