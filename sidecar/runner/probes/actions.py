"""What a probe asks or a hook does, once."""

from sidecar.runner.probes.outcomes import ActionFailed, Outcome, for_report, no_answer
from sidecar.runner.system.event_loop import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Coroutine, List, Optional

    from sidecar.runner.contract.pod_document import ActionDocument

    Execute = Callable[[List[str], Optional[float]], Coroutine[object, object, Outcome]]
    """Runs a command in the container, for so many seconds at most."""


async def act(loop: Loop, action: "ActionDocument", seconds: "Optional[float]", execute: "Execute") -> Outcome:
    """Do it. A failure says why, in at most ``MAX_CHECK_BYTES``.

    :param seconds: for the whole of it; ``None`` or 0: no limit
    """
    try:
        outcome = await _limited(loop, action, seconds or None, execute)
    except OSError as error:  # the node has no process or descriptor left, which may pass
        outcome = Outcome(False, f"the node could not do it: {error.strerror}")
    return Outcome(outcome.ok, for_report(outcome.words))


async def _limited(loop: Loop, action: "ActionDocument", seconds: "Optional[float]", execute: "Execute") -> Outcome:
    kind = action["kind"]
    if kind == "exec":  # whoever runs it ends it after that time, and still has what it has said
        return await execute(action["command"], seconds)
    if kind == "sleep":  # for as long as it may; that is no failure
        await loop.sleep(action["seconds"] if seconds is None else min(seconds, action["seconds"]))
        return Outcome(True)
    try:
        if seconds is None:
            return await _request(loop, action)
        return await loop.within(seconds, _request(loop, action))  # type: ignore[no-any-return]
    except TimeoutError:
        return Outcome(False, no_answer(seconds or 0))
    except ActionFailed as failure:
        return Outcome(False, str(failure))


async def _request(loop: Loop, action: "ActionDocument") -> Outcome:
    """What this program asks itself: only the modules of that kind are loaded."""
    if action["kind"] == "http":
        from sidecar.runner.probes.http_get import get

        return await get(loop, action)
    if action["kind"] == "grpc":
        from sidecar.runner.probes.grpc_check import check

        return await check(loop, action)
    return await _connect(loop, action)


async def _connect(loop: Loop, action: "ActionDocument") -> Outcome:
    from sidecar.runner.probes import sockets

    connection = await sockets.connect(loop, action.get("host") or "127.0.0.1", action["port"])
    connection.close()
    return Outcome(True)
