"""Draining: no new pods, while those that are there go on; over real HTTP and through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.factories import OTHER_UID, UID, Json, a_pod_json, a_request
from tests.integration.app import App, running

TAINT = {"key": "slurm-job.vk.io/draining", "value": "true", "effect": "NoSchedule"}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with running(tmp_path, MaxPods=100) as app:
        app.daemon.context.cluster.refresh()
        yield app


def cli(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The real command with the application's configuration."""
    return subprocess.run(
        [sys.executable, "-m", "sidecar", *words, "--config", str(root / "SlurmConfig.yaml")],
        env={"PATH": os.environ["PATH"], "HOME": str(root)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def ping(app: App) -> Json:
    answer: Json = app.ask("GET", "/status", []).json()
    return answer


def another() -> Json:
    return a_request(a_pod_json(pod_uid=OTHER_UID))


def test_a_drained_node_refuses_new_pods_in_one_sentence_and_keeps_those_it_has(app: App) -> None:
    first = app.create(a_request()).json()

    said = cli(app.root, "drain", "--reason", "kernel  update")

    assert said.returncode == 0
    assert "(kernel update): new pods are refused, 1 pod is still there; 'slurm-sidecar undrain'" in said.stdout
    refused = app.create(another())
    assert refused.status_code == 503
    assert refused.text.startswith("this node is draining since 20")
    assert refused.text.endswith(" UTC (kernel update) and takes no new pods; 'slurm-sidecar undrain' ends it")
    assert app.submissions == 1
    assert app.create(a_request()).json() == first
    assert app.status(a_pod_json())[0]["JID"] == "1"
    assert app.ask("POST", "/delete", a_pod_json()).text == "deletion accepted"


def test_the_end_of_a_drain_lets_pods_in_again(app: App) -> None:
    cli(app.root, "drain")
    assert cli(app.root, "undrain").stdout == "the node takes pods again\n"

    assert app.create(another()).status_code == 200
    assert cli(app.root, "undrain").stdout == "the node takes pods; it was not being drained\n"


def test_the_ping_keeps_the_scheduler_away_for_as_long_as_the_drain_lasts(app: App) -> None:
    before = ping(app)
    assert (before["resources"]["pods"], "taints" in before) == ("100", False)

    cli(app.root, "drain")
    assert (ping(app)["resources"]["pods"], ping(app)["taints"]) == ("0", [TAINT])

    cli(app.root, "undrain")
    assert (ping(app)["resources"]["pods"], ping(app)["taints"]) == ("100", [])


def test_everything_that_tells_how_the_daemon_fares_tells_that_it_drains(app: App) -> None:
    app.create(a_request())
    app.daemon.reconciler.reconcile_once()
    assert app.client.get("/readyz").json()["draining"] == ""

    cli(app.root, "drain", "--reason", "move")

    ready = app.client.get("/readyz")
    assert (ready.status_code, ready.json()["draining"].endswith("(move)")) == (200, True)
    assert app.ask("GET", "/system-info").json()["draining"].endswith("(move)")
    listed = cli(app.root, "pods")
    assert "(move): new pods are refused" in listed.stderr
    assert UID in listed.stdout
    assert "refuses new pods; 'slurm-sidecar undrain' ends it" in cli(app.root, "check").stdout


def test_a_drain_outlives_the_daemon(tmp_path: Path) -> None:
    with running(tmp_path) as app:
        cli(tmp_path, "drain", "--reason", "first")
        assert app.create(another()).status_code == 503
    (tmp_path / "bin").rename(tmp_path / "old")
    with running(tmp_path) as app:
        assert app.create(another()).status_code == 503


def test_draining_again_changes_the_reason_and_not_the_beginning(tmp_path: Path) -> None:
    with running(tmp_path):
        first, second, third = (
            json.loads(cli(tmp_path, "drain", "--reason", reason, "--json").stdout) for reason in ("a", "b", "")
        )

    assert (first["reason"], second["reason"], third["reason"]) == ("a", "b", "b")
    assert first["since"] == second["since"] == third["since"]
    assert first["pods_there"] == 0


def test_a_drain_that_cannot_be_read_is_a_drain(app: App) -> None:
    (app.root / "state" / "drain.json").write_bytes(b'{"drain')

    refused = app.create(another())

    assert refused.status_code == 503
    assert "drain.json cannot be read" in refused.text


def test_who_may_not_write_there_is_told(app: App) -> None:
    (app.root / "state" / "drain.new").mkdir()

    failed = cli(app.root, "drain")

    assert (failed.returncode, failed.stdout) == (1, "")
    assert "drain.json cannot be written" in failed.stderr
    assert app.create(another()).status_code == 200
