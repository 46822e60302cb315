"""The history in words."""

from __future__ import annotations

import pytest

from sidecar.cli.sentences import sentence
from sidecar.domain import events as ev


def test_every_kind_of_event_has_a_sentence() -> None:
    assert {kind for kind, event in ev.KINDS.items() if not has_sentence(event)} == set()


def has_sentence(event: type[ev.Event]) -> bool:
    try:
        sentence(event.__new__(event))
    except KeyError:
        return False
    except AttributeError:  # the sentence speaks of the event's fields
        return True
    return True


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (ev.ContainerHealthChanged(container="web", attempt=0, started=True, ready=True), "container web is ready"),
        (
            ev.ContainerHealthChanged(container="web", attempt=0, started=True, ready=False),
            "container web has passed its start, but is not ready yet",
        ),
        (
            ev.ContainerHealthChanged(container="web", attempt=0, started=True, ready=False, message="status 500\n"),
            "container web is not ready any more: status 500",
        ),
        (
            ev.ContainerUnhealthy(container="web", attempt=0, check="liveness", message="no answer"),
            "the liveness probe of container web failed too often, so it is ended: no answer",
        ),
        (
            ev.ContainerUnhealthy(container="web", attempt=0, check="preStop"),
            "the preStop hook of container web failed",
        ),
        (
            ev.DeadlineExceeded(seconds=60),
            "the pod's activeDeadlineSeconds (60) are over, so its containers are ended",
        ),
    ],
)
def test_what_happens_to_a_container_is_told_in_words(event: ev.Event, words: str) -> None:
    assert sentence(event) == words
