"""The facts of a job's report: one JSON object a line, with ``fact``, ``at`` (epoch seconds) and these fields."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, FrozenSet, Tuple

_CONTAINER = ("container", "attempt")

FACTS: "Dict[str, Tuple[str, ...]]" = {
    "job_started": ("job", "node"),
    "image_pulling": _CONTAINER,
    "image_backoff": (*_CONTAINER, "tries", "delay", "message"),
    "image_failed": (*_CONTAINER, "message"),
    "container_started": (*_CONTAINER, "started", "ready"),
    "container_health": (*_CONTAINER, "started", "ready", "message"),
    "container_unhealthy": (*_CONTAINER, "check", "message"),
    "container_terminated": (*_CONTAINER, "code", "oom", "cannot_run", "message"),
    "container_restarting": (*_CONTAINER, "delay"),
    "deadline_exceeded": ("seconds",),
    "job_stopping": ("signal",),
    "job_finished": ("code",),
}
"""Each kind of fact with its fields; those of :data:`OPTIONAL` may be missing."""

OPTIONAL: "FrozenSet[str]" = frozenset({"oom", "cannot_run", "message", "started", "ready"})

MAX_MESSAGE_BYTES = 4096
"""Of a termination message.

Source: https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
"""
MAX_CHECK_BYTES = 1024
"""Of what a probe or a hook said."""
