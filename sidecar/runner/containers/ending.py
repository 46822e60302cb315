"""Ending a container: the preStop hook, the signal, and the kill when the grace period is over.

Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination-flow
"""

from sidecar.runner.containers.inside import Inside
from sidecar.runner.probes.actions import act
from sidecar.runner.system import processes, signals
from sidecar.runner.system.event_loop import Loop
from sidecar.runner.system.processes import Child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from sidecar.runner.contract.pod_document import ActionDocument, ContainerDocument

LEAST_SECONDS = 2.0
"""What a process has after its signal when its preStop hook has used up the time."""


async def terminate(
    loop: Loop, child: Child, inside: Inside, document: "ContainerDocument", grace_seconds: float
) -> "Optional[str]":
    """End a container within so many seconds, which begin before its preStop hook.

    :param child: the runtime's process
    :return: what the hook said, if it failed
    """
    failed = None
    if grace_seconds > 0:
        began = loop.now()
        failed = await _pre_stop(loop, child, inside, document["pre_stop"], grace_seconds)
        await inside.wait_for_program()  # or the signal would end the runtime on its way to it
        _ask(child, inside, document["stop_signal"])
        await loop.first_of(child.exited, seconds=seconds_left(grace_seconds, loop.now() - began))
    child.kill()
    await child.exited
    return failed


async def _pre_stop(
    loop: Loop, child: Child, inside: Inside, hook: "Optional[ActionDocument]", seconds: float
) -> "Optional[str]":
    """The hook, for as long as there is a container; what it said, if it failed."""
    if hook is None:
        return None
    acting = loop.start(act(loop, hook, seconds, inside.run))
    try:
        await loop.first_of(acting, child.exited)
        return None if not acting.is_done or acting.value.ok else str(acting.value.words)
    finally:
        acting.cancel()


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
        processes.send(signals.SIGTERM, pid)
