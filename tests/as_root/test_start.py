"""A daemon that is root starts only where no job can be root's, and nobody can meddle with the jobs' files."""

from __future__ import annotations

import json
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
Start = Callable[..., str]


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="sidecar-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def refusal(folder: Path) -> Start:
    """Why the daemon does not start with these settings."""

    def refusal(verb: str = "serve", **settings: object) -> str:
        config = folder / "SlurmConfig.yaml"
        everything = {
            "DataRootFolder": str(folder / "deep/er/data"),
            "DatabasePath": str(folder / "state/sidecar.db"),
            "Socket": str(folder / "s"),
        }
        config.write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in (everything | settings).items()))
        said = subprocess.run(
            [sys.executable, "-m", "sidecar", verb, "--config", str(config)],
            cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert said.returncode != 0
        return said.stdout + said.stderr

    return refusal


@pytest.mark.parametrize("verb", ["serve", "check"])
def test_without_a_user_for_the_jobs_it_does_not_start(refusal: Start, verb: str) -> None:
    said = refusal(verb)

    assert "jobs would run as root: start the sidecar as an ordinary user" in said
    assert "(DefaultUID)" in said


def test_a_user_that_nobody_knows_is_a_problem_at_the_start(refusal: Start, host: pwd.struct_passwd) -> None:
    assert "DefaultUID: UID 1999999000 is not known" in refusal(DefaultUID=1999999000)
    said = refusal(DefaultUID=host.pw_uid, Flavors={"a": {"UID": 1999999000}})
    assert "Flavors.a.UID: UID 1999999000 is not known" in said


@pytest.mark.parametrize("verb", ["serve", "check"])
def test_a_data_folder_that_others_can_write_or_replace_is_refused(
    refusal: Start, folder: Path, host: pwd.struct_passwd, guest: pwd.struct_passwd, verb: str
) -> None:
    data = folder / "deep/er/data"
    data.mkdir(parents=True)
    for place in (data, data.parent, data.parent.parent):
        place.chmod(0o711)
    data.chmod(0o777)
    assert f"{data} can be written by others (mode 777)" in refusal(verb, DefaultUID=host.pw_uid)
    data.chmod(0o711)
    shutil.chown(data.parent, guest.pw_name)
    assert f"{data.parent} belongs to user {guest.pw_uid}" in refusal(verb, DefaultUID=host.pw_uid)
    shutil.chown(data.parent, "root")
    data.parent.chmod(0o700)
    assert f"cannot be entered by user {host.pw_name} (DefaultUID)" in refusal(verb, DefaultUID=host.pw_uid)
