"""interLink's endpoints over real HTTP: shapes, refusals, and one job per pod. Scripts stand for Slurm, see ``app``."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.factories import OTHER_UID, UID, Json, a_container_json, a_pod_json, a_request
from tests.integration.app import App, running, until

REFUSAL = "sbatch: error: Batch job submission failed: Invalid partition name specified\n"
SILENCE = "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)\n"


@pytest.fixture(params=["unix", "tcp"])
def either(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[App]:
    with running(tmp_path, tcp=request.param == "tcp") as app:
        yield app


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with running(tmp_path) as app:
        yield app


def test_a_pod_is_created_watched_and_deleted(either: App) -> None:
    created = either.create(a_request())
    assert (created.status_code, created.json()) == (200, {"PodUID": UID, "PodJID": "1"})
    assert created.headers["content-type"] == "application/json"

    (entry,) = either.status(a_pod_json())
    assert (entry["name"], entry["UID"], entry["namespace"], entry["JID"]) == ("demo", UID, "lab", "1")
    assert entry["containers"][0]["state"]["waiting"]["reason"] == "Submitted"

    deleted = either.ask("POST", "/delete", a_pod_json())
    assert (deleted.status_code, deleted.text) == (200, "deletion accepted")


def test_the_socket_is_the_owners_alone(app: App) -> None:
    assert stat.S_IMODE((app.root / "s").stat().st_mode) == 0o600


def test_a_ping_is_answered_from_the_last_reading(app: App) -> None:
    assert app.ask("GET", "/status", []).json() == {"status": "ok"}
    app.daemon.context.cluster.refresh()

    for ping in (app.ask("GET", "/status", []), app.ask("GET", "/status", content=b"")):
        assert ping.json() == {
            "status": "ok",
            "resources": {
                "cpu": "64",
                "memory": "22321Mi",
                "accelerators": [{"resourceType": "nvidia.com/gpu", "available": "4"}],
            },
        }


def test_taints_of_the_site_come_with_the_ping(tmp_path: Path) -> None:
    taint = {"key": "a", "value": "b", "effect": "NoSchedule"}
    with running(tmp_path, Taints=[taint]) as app:
        assert app.ask("GET", "/status", []).json() == {"status": "ok", "taints": [taint]}


def test_system_info_has_interlinks_fields(app: App) -> None:
    app.daemon.context.cluster.refresh()

    info = app.ask("GET", "/system-info").json()

    assert set(info) == {"status", "timestamp", "slurm_connected", "sinfo_output", "error"}
    assert (info["status"], info["slurm_connected"], info["error"]) == ("ok", True, "")
    assert "node1 main* up idle" in info["sinfo_output"]


def test_health_is_the_process_and_readiness_is_slurm_and_the_database(app: App) -> None:
    assert app.client.get("/healthz").json() == {"status": "ok"}
    assert (app.client.get("/readyz").status_code, app.client.get("/readyz").json()["slurm"]) == (503, "not asked yet")

    app.daemon.reconciler.reconcile_once()

    ready = app.client.get("/readyz")
    assert (ready.status_code, ready.json()["status"], ready.json()["database"]) == (200, "ok", "ok")


def test_while_slurm_does_not_answer_the_sidecar_is_not_ready_and_says_why(app: App) -> None:
    app.create(a_request())
    app.slurm_says("squeue", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n")
    loop = threading.Thread(target=app.daemon.reconciler.run)
    loop.start()

    until(lambda: app.client.get("/readyz").json()["failures_in_a_row"] > 0)
    answer = app.client.get("/readyz")
    app.daemon.reconciler.stop()
    loop.join()

    assert (answer.status_code, answer.json()["status"]) == (503, "not ready")
    assert "Unable to contact slurm controller" in answer.json()["slurm"]


def test_the_same_pod_again_gets_the_same_answer_and_no_second_job(app: App) -> None:
    first = app.create(a_request()).json()

    assert app.create(a_request()).json() == first
    assert app.ask("POST", "/create", [a_request()]).json() == first
    assert app.submissions == 1


def test_the_same_pod_from_many_at_once_is_submitted_once(app: App) -> None:
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda _: app.create(a_request()).json(), range(12)))

    assert answers == [{"PodUID": UID, "PodJID": "1"}] * 12
    assert app.submissions == 1


def test_many_pods_at_once_get_a_job_each(app: App) -> None:
    uids = [f"00000000-0000-4000-8000-{n:012d}" for n in range(12)]
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda uid: app.create(a_request(a_pod_json(pod_uid=uid))).json(), uids))

    assert [answer["PodUID"] for answer in answers] == uids
    assert sorted(int(answer["PodJID"]) for answer in answers) == list(range(1, 13))


def test_a_refusal_of_sbatch_is_told_in_its_own_words_and_again(app: App) -> None:
    app.slurm_says("sbatch", REFUSAL)
    refused = app.create(a_request())
    app.slurm_says("sbatch", "")

    assert (refused.status_code, refused.text) == (
        422,
        "Batch job submission failed: Invalid partition name specified",
    )
    again = app.create(a_request())
    assert (again.status_code, again.text) == (refused.status_code, refused.text)
    assert app.submissions == 0
    terminated = app.status(a_pod_json())[0]["containers"][0]["state"]["terminated"]
    assert terminated["message"] == refused.text


def test_while_slurm_is_away_a_pod_is_accepted_and_submitted_later(app: App) -> None:
    app.slurm_says("sbatch", SILENCE)
    accepted = app.create(a_request())
    waiting = app.status(a_pod_json())[0]["containers"][0]["state"]["waiting"]
    app.slurm_says("sbatch", "")
    app.daemon.reconciler.reconcile_once()

    assert (accepted.status_code, accepted.json()) == (200, {"PodUID": UID, "PodJID": UID})
    assert waiting["reason"] == "SlurmUnreachable"
    assert app.create(a_request()).json() == {"PodUID": UID, "PodJID": "1"}
    assert app.submissions == 1


def test_an_unknown_pod_waits_in_the_answer_and_its_deletion_is_accepted(app: App) -> None:
    app.create(a_request())

    unknown, known = app.status(a_pod_json(pod_uid=OTHER_UID), a_pod_json())

    assert (unknown["UID"], known["UID"]) == (OTHER_UID, UID)
    assert unknown["containers"][0]["state"]["waiting"]["reason"] == "PodUnknown"
    deleted = app.ask("POST", "/delete", a_pod_json(pod_uid=OTHER_UID))
    assert (deleted.status_code, "no record of this pod" in deleted.text) == (200, True)


def test_a_deleted_pod_is_cancelled_in_slurm_and_its_files_go(app: App) -> None:
    app.create(a_request())
    folder = app.job().directory.root
    app.ask("POST", "/delete", a_pod_json())
    assert folder.is_dir()

    app.daemon.reconciler.reconcile_once()
    assert app.noted("cancelled") == "1\n"
    app.job().says("job_started", job="1", node="node1")
    app.job().says("job_finished", code=143)
    app.daemon.reconciler.reconcile_once()

    assert not folder.exists()
    assert "terminated" in app.status(a_pod_json())[0]["containers"][0]["state"]


def test_unknown_fields_are_in_the_pods_history(app: App) -> None:
    app.create(a_request(a_pod_json(a_container_json(imagePullPolcy="Never"), restartPolcy="x")))

    (state,) = app.daemon.context.service.states([UID]).values()
    assert "unknown field container main: imagePullPolcy skipped" in state.notes
    assert "unknown field spec.restartPolcy skipped" in state.notes


def test_every_request_is_logged_with_interlinks_session(app: App) -> None:
    app.create(a_request())
    app.ask("POST", "/create", content=b"{")

    sessions = [entry["session"] for entry in app.log if "session" in entry]
    assert sessions == ["session-1"] * 2


def request_with(**metadata: object) -> Json:
    request = a_request()
    request["pod"]["metadata"] |= metadata
    return request


def test_a_request_is_read_whatever_its_content_type_says(app: App) -> None:
    answer = app.client.post("/create", content=json.dumps(request_with()).encode())

    assert answer.status_code == 200


def test_a_slurm_that_does_not_answer_is_seen_also_while_no_pod_is_alive(app: App) -> None:
    app.slurm_says("sinfo", "slurm_load_partitions: Unable to contact slurm controller (connect failure)")
    app.daemon.reconciler.reconcile_once()
    answer = app.client.get("/readyz")

    assert answer.status_code == 503
    assert "Unable to contact slurm controller" in answer.json()["slurm"]
    assert app.ask("GET", "/status", []).json()["status"] == "ok"
