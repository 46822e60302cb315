"""How many answers in a row change what is known of a container."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional


class Thresholds:
    """Counts the answers of one probe.

    Source: https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/,
    ``successThreshold`` and ``failureThreshold``
    """

    def __init__(self, successes: int, failures: int) -> None:
        self.state: "Optional[bool]" = None
        """``None``: no threshold has been reached so far."""
        self._needed = {True: successes, False: failures}
        self._last: "Optional[bool]" = None
        self._in_a_row = 0

    def count(self, ok: bool) -> bool:
        """Count an answer, and tell whether the state has changed by it."""
        self._in_a_row = self._in_a_row + 1 if ok is self._last else 1
        self._last = ok
        if ok is self.state or self._in_a_row < self._needed[ok]:
            return False
        self.state = ok
        return True


def next_tick(last: float, period: float, now: float) -> float:
    """When to ask next: once a period, and at once if an answer took longer than that.

    Ticks that were missed are not made up for, except for the latest of them; Go's tickers do the same.
    Source: https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/kubelet/prober/worker.go, ``probeTicker``

    :param last: the tick at which the probe was asked last
    """
    return last + period * max(1, (now - last) // period)
