"""Fixtures for tests against a real daemon, a real Slurm and a real container runtime."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.e2e.daemon import Daemon
from tests.e2e.pods import a_pod
from tests.virtual_kubelet.kubelet import VirtualKubelet


@pytest.fixture(scope="session")
def image() -> Path:
    """An image on a machine where everything is there that these tests need: they fail where it is not."""
    if os.getuid() == 0:
        pytest.fail("the daemon does not run as root: run these tests as an ordinary user, as scripts/test does")
    try:
        subprocess.run(["sinfo"], check=True, capture_output=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.fail(f"these tests need a Slurm that answers: run scripts/cluster start ({error})")
    path = Path(os.environ.get("SIDECAR_TEST_IMAGE", ""))
    if not path.is_file():
        pytest.fail("these tests need SIDECAR_TEST_IMAGE, a busybox image: run scripts/test, which makes one")
    return path


@pytest.fixture(scope="session")
def daemon(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for all tests that only run pods on it."""
    claim = tmp_path_factory.mktemp("claim")
    shared = Daemon(tmp_path_factory.mktemp("shared"), image, PersistentVolumeClaims={CLAIM: str(claim)})
    shared.start()
    yield shared
    shared.destroy()


TIMED, TIMED_DEAF = "timed", "timed-deaf"
CLAIM = "results"
"""A persistentVolumeClaim that the shared daemon has a folder for."""


@pytest.fixture(scope="session")
def vk(daemon: Daemon) -> VirtualKubelet:
    """The virtual kubelet of the shared daemon; two pods of a minute are under way from the beginning."""
    kubelet = daemon.kubelet()
    orphans = "(setsid sleep 8823 &); sh -c '(sleep 8823 &)'; "
    obeys = "trap 'exit 143' TERM; while :; do sleep 0.1; done"
    kubelet.create_pod(a_pod(TIMED, script=f"{orphans} {obeys}", flags="--time=1"))
    deaf = "trap '' TERM; (setsid sleep 8824 &); while :; do sleep 8824; done"
    kubelet.create_pod(a_pod(TIMED_DEAF, script=deaf, flags="--time=1", terminationGracePeriodSeconds=2))
    return kubelet


@pytest.fixture
def timed(vk: VirtualKubelet) -> str:
    """The pod with a time limit of one minute."""
    return TIMED


@pytest.fixture
def timed_deaf(vk: VirtualKubelet) -> str:
    """The same, with a process that ignores TERM."""
    return TIMED_DEAF


@pytest.fixture
def own_daemon(image: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Daemon]:
    """A daemon that the test may kill, with Slurm programs that it may break.

    Settings come by ``pytest.mark.parametrize("own_daemon", [{"SlurmTimeout": 1}], indirect=True)``.
    """
    own = Daemon(tmp_path, image, **getattr(request, "param", {}))
    own.start()
    yield own
    own.destroy()


@pytest.fixture
def own_vk(own_daemon: Daemon) -> VirtualKubelet:
    """The virtual kubelet of the test's own daemon."""
    return own_daemon.kubelet()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what its daemon had to say."""
    report = yield
    if report.failed:
        daemons = [value for value in item.funcargs.values() if isinstance(value, Daemon)]
        report.sections += [("the daemon's log", daemon.log_tail()) for daemon in daemons]
    return report
