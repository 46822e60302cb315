"""Ending a container: the preStop hook, the signal, and the kill when the grace period is over.

Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination-flow
"""

import signal

from sidecar.runner.containers.inside import Inside
from sidecar.runner.probes.prober import Prober
from sidecar.runner.system import processes
from sidecar.runner.system.event_loop import Loop
from sidecar.runner.system.processes import Child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidecar.runner.contract.pod_document import ContainerDocument

LEAST_SECONDS = 2.0
"""What a process has after its signal when its preStop hook has used up the time."""


async def terminate(
    loop: Loop, child: Child, inside: Inside, prober: Prober, document: "ContainerDocument", grace_seconds: float
) -> None:
    """End a container within so many seconds, which begin before its preStop hook.

    :param child: the runtime's process
    """
    if grace_seconds > 0:
        began = loop.now()
        await _pre_stop(loop, child, prober, grace_seconds)
        _ask(child, inside, document["stop_signal"])
        await loop.first_of(child.exited, seconds=seconds_left(grace_seconds, loop.now() - began))
    child.kill()
    await child.exited


async def _pre_stop(loop: Loop, child: Child, prober: Prober, seconds: float) -> None:
    """The hook, for as long as there is a container."""
    hook = loop.start(prober.pre_stop(seconds))
    await loop.first_of(hook, child.exited)
    hook.cancel()


def seconds_left(grace_seconds: float, hook_took: float) -> float:
    """How long the process may take after its signal."""
    if hook_took < 0.01:
        return grace_seconds
    return max(grace_seconds - hook_took, LEAST_SECONDS)


def _ask(child: Child, inside: Inside, stop_signal: str) -> None:
    """The signal goes to the container's own process, as under a kubelet.

    Where that one cannot be seen, it goes to the runtime, which passes it on; not to the process group, or the
    container would get it twice.
    """
    if child.has_ended or inside.signal(stop_signal):
        return
    for pid in [*processes.children(child.pid), child.pid]:
        processes.send(signal.SIGTERM, pid)
