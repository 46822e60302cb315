"""The table of fields is true: a pod for every field of the Kubernetes API, through the real ``/create``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sidecar.wire.fields import Treatment
from tests.api_fields import API, RETRIEVED, a_pod_that_sets, deciding
from tests.factories import a_request, uid
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
    entry = deciding(path)
    assert entry is not None
    pod_uid = uid(FIELDS.index(path))

    answer = app.create(a_request(a_pod_that_sets(path, pod_uid=pod_uid), **RETRIEVED))

    name = entry.path.rpartition(".")[2]
    told = [note for note in history(app, pod_uid) if name in note]
    if entry.treatment in (Treatment.REFUSED, Treatment.RESOLVED):
        assert answer.status_code == 422
        assert name in answer.text
    else:
        assert (answer.status_code, answer.text) == (200, answer.text)
        assert bool(told) == (entry.treatment is Treatment.IGNORED)
