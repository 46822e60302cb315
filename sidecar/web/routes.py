"""interLink's endpoints: read, do, write.

Source: https://github.com/interlink-hq/interLink/blob/main/docs/openapi/plugin-openapi.json
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import structlog
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from sidecar.errors import RequestTooLarge
from sidecar.job_output.log_reader import LogFollower, read
from sidecar.service import LogFiles
from sidecar.web.context import Context, context_of
from sidecar.web.errors import session_of
from sidecar.wire import create as wire_create
from sidecar.wire import delete as wire_delete
from sidecar.wire import logs as wire_logs
from sidecar.wire import ping, status

log = structlog.get_logger(__name__)

MAX_BODY_BYTES = 8 * 1024 * 1024
FOLLOW_INTERVAL_SECONDS = 0.25


async def create(request: Request) -> Response:
    """Turn one pod into one Slurm job."""
    context = context_of(request)
    body = await body_of(request)

    def do() -> tuple[str, str]:
        pod = wire_create.read(body, context.policy)
        return pod.uid, context.service.create(pod)

    uid, job_id = await anyio.to_thread.run_sync(do, limiter=context.creating)
    log.info("pod created", pod_uid=uid, job_id=job_id, session=session_of(request))
    return JSONResponse({"PodUID": uid, "PodJID": job_id})


async def delete(request: Request) -> Response:
    """Note that a pod must go."""
    command = wire_delete.read(await body_of(request))
    known = await run_in_threadpool(context_of(request).service.delete, command.uid, command.grace_seconds)
    log.info("deletion requested", pod_uid=command.uid, known=known, session=session_of(request))
    return PlainTextResponse("deletion accepted" if known else "nothing to delete: no record of this pod")


async def get_status(request: Request) -> Response:
    """The states of the pods asked for, or the answer to a ping."""
    context = context_of(request)
    asked = status.read(await body_of(request))
    if not asked:
        return _json(ping.answer(context.cluster.snapshot, context.taints, context.drain.state))
    states = await run_in_threadpool(context.service.states, [pod.uid for pod in asked])
    return _json(status.answer(asked, states))


async def get_logs(request: Request) -> Response:
    """One container's log, as a stream."""
    context = context_of(request)
    wanted = wire_logs.read(await body_of(request), now=context.now())
    files = await run_in_threadpool(context.service.log_files, wanted.uid, wanted.container, previous=wanted.previous)
    growing = not await run_in_threadpool(context.service.has_ended, wanted.uid, files)
    if wanted.follow and growing:
        return _text(_follow(context, wanted, files))
    chunks = await run_in_threadpool(read, files.log, files.index, wanted.options, growing=growing, root=files.root)
    return _text(iterate_in_threadpool(chunks))


async def _follow(context: Context, wanted: wire_logs.LogRequest, files: LogFiles) -> AsyncIterator[bytes]:
    """What is there, then what comes, until the container has ended or the reader is gone."""
    follower = LogFollower(files.log, files.index, wanted.options)
    while not follower.done:
        # Asked before reading: what was written before the end is then surely read.
        ended = await run_in_threadpool(context.service.has_ended, wanted.uid, files)
        while chunk := await run_in_threadpool(follower.read_available):
            yield chunk
        if ended or context.is_stopping():
            break
        await anyio.sleep(FOLLOW_INTERVAL_SECONDS)
    async for chunk in iterate_in_threadpool(follower.drain()):
        yield chunk


async def system_info(request: Request) -> Response:
    """What the cluster looks like."""
    context = context_of(request)
    return _json(ping.system_info(context.cluster.snapshot, context.drain.state, context.now()))


async def healthz(request: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """Whether the database can be written and Slurm answers; 503 where not. A node that is being drained is ready."""
    context = context_of(request)
    problem = await run_in_threadpool(context.database_problem)
    health = context.monitor.health
    # While no pod is alive, the reading of the cluster's resources is all that is asked of Slurm.
    trouble = context.monitor.slurm_trouble or context.cluster.snapshot.error
    ready = not problem and health.last_success_at is not None and not trouble
    details = {
        "status": "ok" if ready else "not ready",
        "database": problem or "ok",
        "slurm": trouble or ("ok" if health.last_success_at else "not asked yet"),
        "last_reconciled_at": health.last_success_at.isoformat() if health.last_success_at else None,
        "failures_in_a_row": health.failures_in_a_row,
        "draining": context.drain.state.sentence,
        "orphan_job_ids": list(health.orphan_job_ids),
    }
    return JSONResponse(details, 200 if ready else 503)


async def body_of(request: Request) -> bytes:
    """The whole body, also of a GET.

    :raises RequestTooLarge: it is over the limit; the rest is not read
    """
    chunks = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise RequestTooLarge(f"the request body is larger than {MAX_BODY_BYTES // 1024**2} MiB")
        chunks.append(chunk)
    return b"".join(chunks)


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def _text(chunks: AsyncIterator[bytes]) -> Response:
    return StreamingResponse(chunks, media_type="text/plain")
