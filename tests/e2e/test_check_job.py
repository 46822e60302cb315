"""``check --job``: what a real job finds on its node."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.runner.contract.node_report import MARK
from tests.e2e.daemon import Daemon


class Site:
    """A configuration, without a daemon."""

    def __init__(self, root: Path, image: Path, **settings: object) -> None:
        self._daemon = Daemon(root, image, **settings)
        self.data_root = self._daemon.data_root
        self.data_root.mkdir()

    def check(self, *words: str) -> dict[str, dict[str, Any]]:
        """The findings by subject."""
        answer = self._daemon.command("check", "--job", "--json", *words).stdout
        assert not [path for path in self.data_root.iterdir() if path.name.startswith(".new-")]
        return {finding["subject"]: finding for finding in json.loads(answer)}

    def close(self) -> None:
        self._daemon.destroy()


@pytest.fixture
def site(image: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    site = Site(tmp_path, image, **getattr(request, "param", {}))
    yield site
    site.close()


def with_settings(**settings: object) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("site", [settings], indirect=True)


def test_a_job_that_finds_everything_says_so_with_its_node_s_name(site: Site, image: Path) -> None:
    found = site.check("--image", str(image))

    for subject in ("job", "job TMPDIR", "job data", "job runtime", "job container"):
        assert found[subject]["level"] == "ok", found[subject]
    assert "Python 3." in found["job"]["text"]
    assert "apptainer version" in found["job runtime"]["text"]
    assert "job prefix" not in found


@with_settings(CommandPrefix="no-such-module load apptainer")
def test_what_the_prefix_says_is_told(site: Site) -> None:
    found = site.check()

    assert found["job"]["level"] == "ok"
    assert "no-such-module: command not found" in found["job prefix"]["text"]


@with_settings(CommandPrefix="echo no licence; exit 3")
def test_a_prefix_that_ends_the_job_is_told_with_its_words_and_code(site: Site) -> None:
    found = site.check()

    assert found["job"]["level"] == "problem"
    assert "before Python began: no licence; the script ended with code 3; see CommandPrefix" in found["job"]["text"]


@with_settings(SingularityPath="/no/apptainer")
def test_a_runtime_that_the_node_lacks_is_told(site: Site) -> None:
    found = site.check()

    assert found["job runtime"]["level"] == "problem"
    assert "/no/apptainer" in found["job runtime"]["text"]
    assert "SingularityPath and CommandPrefix" in found["job runtime"]["text"]


@with_settings(RunnerPython="/no/python")
def test_a_python_that_the_node_lacks_is_told(site: Site) -> None:
    found = site.check()

    assert found["job"]["level"] == "problem"
    assert "there is no /no/python on node" in found["job"]["text"]


@with_settings(CommandPrefix="export TMPDIR=/no/tmp")
def test_a_temporary_folder_that_is_not_there_is_told(site: Site) -> None:
    assert "/no/tmp on node" in site.check()["job TMPDIR"]["text"]


@with_settings(Flavors={"held": {"SlurmFlags": ["--hold"]}, "short": {"SlurmFlags": ["--partition=short", "--time=1"]}})
def test_a_job_of_a_flavor_that_does_not_start_is_cancelled(site: Site) -> None:
    held = site.check("--flavor", "held", "--timeout", "3")
    unknown = site.check("--flavor", "long")

    assert held["job"]["level"] == "problem"
    assert "did not start within 3 s (JobHeldUser) and was cancelled" in held["job"]["text"]
    assert "there is no flavor 'long'; known: held, short" in unknown["job"]["text"]


def test_an_image_that_cannot_be_started_is_told(site: Site, tmp_path: Path) -> None:
    broken = tmp_path / "broken.sif"
    broken.write_bytes(b"no image")

    assert site.check("--image", str(broken))["job container"]["level"] == "problem"


def test_where_nodes_share_no_files_the_node_keeps_what_was_found(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARED_FS", "false")
    found = site.check()

    assert "read what it found in /tmp/slurm-sidecar-check-" in found["job"]["text"]
    job = found["job"]["text"].split()[1]
    [output] = Path("/tmp").glob(f"slurm-sidecar-check-{job}.out")
    assert json.loads(output.read_text().partition(MARK)[2])["python"].startswith("3.")
    output.unlink()
