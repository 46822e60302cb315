"""The two tables. Triggers and the views for people stand in ``migrations/``."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Dialect, Index, String, Text, TypeDecorator, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcText(TypeDecorator[datetime]):
    """A time as ISO 8601 text in UTC, ``2026-11-24T05:55:26.123456Z``: readable in any SQLite shell, and sortable."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """Python to SQL."""
        return None if value is None else iso(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """SQL to Python."""
        return None if value is None else datetime.fromisoformat(value)


def iso(value: datetime) -> str:
    """ISO 8601 in UTC with microseconds; the one form in which times are stored."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Base(DeclarativeBase):
    """All tables."""


class EventRow(Base):
    """One event of one pod; rows are never changed or removed (the database refuses it)."""

    __tablename__ = "events"

    pod_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    """1, 2, 3, ... per pod: two writers cannot both add the same one."""
    kind: Mapped[str] = mapped_column(String(40))
    data: Mapped[str] = mapped_column(Text)
    """The event's fields as a JSON object."""
    occurred_at: Mapped[datetime] = mapped_column(UtcText)
    """When it happened, as far as known."""
    recorded_at: Mapped[datetime] = mapped_column(UtcText)
    """When the sidecar learned it."""
    source: Mapped[str] = mapped_column(String(20))
    """Who told: request, sbatch, squeue, sacct, report, sidecar."""


class PodRow(Base):
    """One pod now: the fold of its events, rebuilt by ``slurm-sidecar replay``."""

    __tablename__ = "pod_states"
    __table_args__ = (
        Index("ix_pod_states_open", "is_open", sqlite_where=text("is_open = 1")),
        Index("ix_pod_states_name", "name", "namespace"),
        Index("ix_pod_states_job_id", "job_id"),
    )

    uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    version: Mapped[int]
    namespace: Mapped[str] = mapped_column(String(63))
    name: Mapped[str] = mapped_column(String(253))
    phase: Mapped[str] = mapped_column(String(20))
    job_id: Mapped[str] = mapped_column(String(40))
    accepted_at: Mapped[datetime] = mapped_column(UtcText)
    is_open: Mapped[bool]
    """Whether the reconciler still has to do something for the pod."""
    state: Mapped[str] = mapped_column(Text)
    """All of the state as a JSON object."""
