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


class Monitor:
    """Holds the newest state of affairs: the reconciler writes it, everybody may read it."""

    def __init__(self) -> None:
        self.health = Health()

    @property
    def slurm_trouble(self) -> str:
        """Why Slurm did not answer the last time; empty when it did, or was not asked yet."""
        return self.health.error if self.health.failures_in_a_row else ""
