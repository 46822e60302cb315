"""The ASGI application."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from sidecar.errors import CannotServe, SidecarError
from sidecar.settings import Tracing
from sidecar.web import errors, routes
from sidecar.web.context import Context


def application(context: Context, tracing: Tracing) -> ASGIApp:
    """All endpoints around one context.

    :raises CannotServe: tracing is wanted and cannot be had
    """
    app = Starlette(
        routes=[
            Route("/create", routes.create, methods=["POST"]),
            Route("/delete", routes.delete, methods=["POST"]),
            Route("/status", routes.get_status, methods=["GET"]),
            Route("/getLogs", routes.get_logs, methods=["GET"]),
            Route("/system-info", routes.system_info, methods=["GET"]),
            Route("/healthz", routes.healthz, methods=["GET"]),
            Route("/readyz", routes.readyz, methods=["GET"]),
        ],
        exception_handlers={SidecarError: errors.answer, Exception: errors.answer_internal},
    )
    app.state.context = context
    return _traced(app, tracing) if tracing.enabled else app


def _traced(app: ASGIApp, settings: Tracing) -> ASGIApp:
    try:
        from sidecar.web import tracing
    except ImportError as error:
        raise CannotServe(
            "ENABLE_TRACING is set, but OpenTelemetry is not installed: pip install 'slurm-sidecar[tracing]'"
        ) from error
    return tracing.Traced(app, tracing.provider(settings))
