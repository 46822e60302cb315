"""Which HTTP status an error has; its text is the body, for it ends up in the pod's events."""

from __future__ import annotations

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from sidecar import errors

log = structlog.get_logger(__name__)

STATUS_CODES: dict[type[errors.SidecarError], int] = {
    errors.MalformedRequest: 400,
    errors.LogUnavailable: 404,
    errors.UnknownPod: 404,
    errors.IllegalTransition: 409,
    errors.RequestTooLarge: 413,
    errors.SlurmRefused: 422,
    errors.UnsupportedPod: 422,
    errors.SidecarError: 500,
    errors.SlurmError: 502,
    errors.SlurmUnreachable: 503,
    errors.NodeDraining: 503,
    errors.StaleStream: 503,
    errors.StoreBusy: 503,
    errors.StoreError: 507,
}


def status_of(error: errors.SidecarError) -> int:
    """The status of the nearest class that has one."""
    return next(STATUS_CODES[cls] for cls in type(error).__mro__ if cls in STATUS_CODES)


async def answer(request: Request, error: Exception) -> Response:
    """A sidecar error as plain text."""
    known = error if isinstance(error, errors.SidecarError) else errors.SidecarError()
    status = status_of(known)
    log.warning("request refused", path=request.url.path, status=status, reason=str(known), session=session_of(request))
    return PlainTextResponse(str(known), status)


async def answer_internal(request: Request, error: Exception) -> Response:
    """A bug: the log has the traceback, the answer has none."""
    log.error("internal error", path=request.url.path, session=session_of(request), exc_info=error)
    return PlainTextResponse(f"internal error ({type(error).__name__}) in the Slurm sidecar; see its log", 500)


def session_of(request: Request) -> str:
    """interLink's id of the request, for the log."""
    return request.headers.get("interlink-http-session", "")[:100]
