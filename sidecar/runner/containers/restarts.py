"""When a container that ended is started again, and after how long.

Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from sidecar.runner.contract.pod_document import BackoffDocument

ALWAYS, ON_FAILURE, NEVER = "Always", "OnFailure", "Never"


def may_restart(policy: str, code: int, restarts: int, max_restarts: "Optional[int]") -> bool:
    """Whether a container that ended with this code is started again.

    :param restarts: how often it was already
    :param max_restarts: the site's limit
    """
    if policy == NEVER or (policy == ON_FAILURE and code == 0):
        return False
    return max_restarts is None or restarts < max_restarts


def policy_of(role: str, pod_policy: str) -> str:
    """A native sidecar always runs; an init container that has succeeded is done."""
    if role == "sidecar":
        return ALWAYS
    if role == "init" and pod_policy == ALWAYS:
        return ON_FAILURE
    return pod_policy


class Backoff:
    """The waits between two tries: each twice the one before, up to a limit."""

    def __init__(self, document: "BackoffDocument") -> None:
        self._document = document
        self._next = document["first"]

    def seconds(self, ran_for: float = 0.0) -> float:
        """How long to wait now.

        :param ran_for: seconds that the last run took; a long one begins anew
        """
        if ran_for >= self._document["reset_after"]:
            self._next = self._document["first"]
        now = self._next
        self._next = min(now * 2, self._document["longest"])
        return now
