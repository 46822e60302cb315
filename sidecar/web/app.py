"""The ASGI application."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import Route

from sidecar.errors import SidecarError
from sidecar.web import errors, routes
from sidecar.web.context import Context


def application(context: Context) -> Starlette:
    """All endpoints around one context."""
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
    return app
