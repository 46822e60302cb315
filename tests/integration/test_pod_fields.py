"""The table of fields is true: a pod for every field of the Kubernetes API, through the real ``/create``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sidecar.wire.fields import Entry, Treatment
from tests.api_fields import API, RETRIEVED, a_pod_that_sets, deciding
from tests.factories import Json, a_container_json, a_request, uid
from tests.integration.app import App, running

FIELDS = [path for path in API if path not in ("spec.containers", "spec.initContainers")]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with running(tmp_path_factory.mktemp("fields"), EnableProbes=True, PersistentVolumeClaims={"c": "/scratch"}) as app:
        yield app


def history(app: App, pod_uid: str) -> list[str]:
    """What the pod's history says about its fields."""
    states = app.daemon.context.service.states([pod_uid])
    return list(states[pod_uid].notes) if states else []


@pytest.mark.parametrize("path", FIELDS)
def test_a_field_comes_to_what_the_table_says(app: App, path: str) -> None:
    pod = a_pod_that_sets(path, pod_uid=uid(FIELDS.index(path)))

    check(app, pod, deciding(path))


@pytest.mark.parametrize("path", [path for path in FIELDS if path.startswith("spec.containers.")])
def test_a_field_of_an_init_container_comes_to_what_the_table_says(app: App, path: str) -> None:
    pod = a_pod_that_sets(path, pod_uid=uid(len(FIELDS) + FIELDS.index(path)))
    container = pod["spec"]["containers"][0]
    pod["spec"] |= {"initContainers": [container], "containers": [a_container_json("last")]}

    check(app, pod, deciding(path.replace("spec.containers", "spec.initContainers")))


def check(app: App, pod: Json, entry: Entry | None) -> None:
    """Create the pod, and see whether it comes to what the entry says."""
    assert entry is not None

    answer = app.create(a_request(pod, **RETRIEVED))

    name = entry.path.rpartition(".")[2]
    told = [note for note in history(app, pod["metadata"]["uid"]) if name in note]
    if entry.treatment in (Treatment.REFUSED, Treatment.RESOLVED):
        assert answer.status_code == 422
        assert name in answer.text
    else:
        assert (answer.status_code, answer.text) == (200, answer.text)
        assert bool(told) == (entry.treatment is Treatment.IGNORED)
