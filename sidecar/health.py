"""How the daemon fares, for ``/readyz`` and ``slurm-sidecar check``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the reconciler fares."""

    last_success_at: datetime | None = None
    failures_in_a_row: int = 0
    error: str = ""
    orphan_job_ids: tuple[str, ...] = ()
    """Jobs in Slurm that carry the sidecar's mark and belong to no pod on record."""
