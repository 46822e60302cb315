"""A daemon that runs as root, with jobs of two ordinary users. Only root can run these tests: scripts/test does."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import pytest_runtest_makereport
from tests.e2e.daemon import Daemon
from tests.e2e.programs import PROGRAMS
from tests.virtual_kubelet.kubelet import VirtualKubelet

__all__ = ["pytest_runtest_makereport"]

collect_ignore_glob = ["test_*"] if os.geteuid() else []


def _user(variable: str, usual: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(os.environ.get(variable, usual))
    except KeyError as error:
        pytest.fail(f"these tests need the user {variable} names: run scripts/test, which makes one ({error})")


@pytest.fixture(scope="session")
def host() -> pwd.struct_passwd:
    """The user that pods run as where nothing is said."""
    return _user("SIDECAR_TEST_USER", "sidecar")


@pytest.fixture(scope="session")
def guest() -> pwd.struct_passwd:
    """Another user, who is in a second group too; the attacker."""
    return _user("SIDECAR_TEST_GUEST", "sidecar-guest")


@pytest.fixture(scope="session")
def site(host: pwd.struct_passwd, guest: pwd.struct_passwd) -> Iterator[Daemon]:
    """A daemon for all tests of this folder, in a place that jobs' users can pass through."""
    root = Path(tempfile.mkdtemp(prefix="sidecar-"))
    root.chmod(0o711)
    image = Path(os.environ.get("SIDECAR_TEST_IMAGE", ""))
    if not image.is_file():
        pytest.fail("these tests need SIDECAR_TEST_IMAGE, a busybox image: run scripts/test, which makes one")
    daemon = Daemon(
        root,
        image,
        DefaultUID=host.pw_uid,
        AllowedUIDs=[guest.pw_uid, "1999999000-1999999999"],
        Flavors={"visitors": {"UID": guest.pw_uid}},
    )
    _open_doors(root / "slurm")
    daemon.start()
    yield daemon
    daemon.destroy()
    shutil.rmtree(root)


def _open_doors(folder: Path) -> None:
    """sbatch and scancel are called as the pods' users."""
    folder.chmod(0o755)
    for program in PROGRAMS:
        calls = folder / f"calls.{program}"
        calls.touch()
        calls.chmod(0o666)


@pytest.fixture(scope="session")
def kubelet(site: Daemon) -> VirtualKubelet:
    """Its virtual kubelet."""
    return site.kubelet()


class Attacker:
    """The guest at a shell prompt on the sidecar's own machine."""

    def __init__(self, user: pwd.struct_passwd) -> None:
        self._user = user

    def does(self, script: str, folder: Path = Path("/")) -> str:
        """Run a shell script and give back what it prints.

        :param folder: where; entered as the user
        """
        said = subprocess.run(
            ["sh", "-euc", 'cd "$0"; eval "$1"', str(folder), script],
            user=self._user.pw_uid,
            group=self._user.pw_gid,
            extra_groups=[],
            env={"PATH": os.environ["PATH"], "HOME": "/"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert said.returncode == 0, said.stderr
        return said.stdout.strip()


@pytest.fixture(scope="session")
def attacker(guest: pwd.struct_passwd) -> Attacker:
    return Attacker(guest)


@pytest.fixture
def treasure() -> Iterator[Path]:
    """A folder that only root can look into, with files named as those of a pod."""
    folder = Path(tempfile.mkdtemp(prefix="treasure-"))
    for name in ("main.0.log", "secret", "inner/secret"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("root's secret\n")
        (folder / name).chmod(0o600)
    yield folder
    shutil.rmtree(folder)
