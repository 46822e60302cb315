"""What the routes work with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from anyio import CapacityLimiter
from starlette.requests import Request

from sidecar.cluster import Cluster
from sidecar.domain.plan import SitePolicy
from sidecar.drain import Drain
from sidecar.health import Monitor
from sidecar.service import Service
from sidecar.settings import Taint


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Put together in :mod:`sidecar.bootstrap`."""

    service: Service
    cluster: Cluster
    drain: Drain
    policy: SitePolicy
    taints: Sequence[Taint]
    monitor: Monitor
    creating: CapacityLimiter
    """Threads of their own for ``/create``: while sbatch hangs, everything else is still answered."""
    database_problem: Callable[[], str]
    """Why the database cannot be written; empty when it can."""
    is_stopping: Callable[[], bool]
    now: Callable[[], datetime]


def context_of(request: Request) -> Context:
    """The context of the running application."""
    context = request.app.state.context
    assert isinstance(context, Context)
    return context
