"""Slurm's job states, as whole words.

Whole words and not letters: read letter by letter, ``CF`` (configuring) and ``NF`` (node failure) look like ``F``
(failed), and a running pod is reported dead.

Source: https://slurm.schedmd.com/squeue.html, "JOB STATE CODES", and https://slurm.schedmd.com/job_state_codes.html
(squeue and sacct show one word: a flag such as COMPLETING hides the base state under it).
"""

from __future__ import annotations

from enum import StrEnum


class SlurmState(StrEnum):
    """The state of a job, as squeue and sacct spell it."""

    PENDING = "PENDING"
    CONFIGURING = "CONFIGURING"
    """Has nodes, which are still booting: nothing of the job runs yet."""
    REQUEUED = "REQUEUED"
    REQUEUE_HOLD = "REQUEUE_HOLD"
    REQUEUE_FED = "REQUEUE_FED"
    RESV_DEL_HOLD = "RESV_DEL_HOLD"
    SPECIAL_EXIT = "SPECIAL_EXIT"
    """Requeued and held, on the word of a site's epilog."""

    RUNNING = "RUNNING"
    SUSPENDED = "SUSPENDED"
    STOPPED = "STOPPED"
    SIGNALING = "SIGNALING"
    RESIZING = "RESIZING"
    STAGE_OUT = "STAGE_OUT"
    COMPLETING = "COMPLETING"
    """Some processes or the epilog still run; how the job ended is not told yet."""

    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    TIMEOUT = "TIMEOUT"
    DEADLINE = "DEADLINE"
    CANCELLED = "CANCELLED"
    PREEMPTED = "PREEMPTED"
    NODE_FAIL = "NODE_FAIL"
    BOOT_FAIL = "BOOT_FAIL"
    REVOKED = "REVOKED"
    """Another cluster of the federation runs the job instead."""

    UNKNOWN = "UNKNOWN"
    """Ours, for a word that is none of these: neither waiting nor active nor over, so the last known state stays."""

    @property
    def is_waiting(self) -> bool:
        """Whether the job waits to run, for the first time or again."""
        return self in _WAITING

    @property
    def is_active(self) -> bool:
        """Whether the job holds its nodes and may still have processes."""
        return self in _ACTIVE

    @property
    def is_terminal(self) -> bool:
        """Whether the job is over (unless Slurm or an operator requeues it)."""
        return not (self.is_waiting or self.is_active or self is SlurmState.UNKNOWN)


_WAITING = frozenset(
    {
        SlurmState.PENDING,
        SlurmState.CONFIGURING,
        SlurmState.REQUEUED,
        SlurmState.REQUEUE_HOLD,
        SlurmState.REQUEUE_FED,
        SlurmState.RESV_DEL_HOLD,
        SlurmState.SPECIAL_EXIT,
    }
)
_ACTIVE = frozenset(
    {
        SlurmState.RUNNING,
        SlurmState.SUSPENDED,
        SlurmState.STOPPED,
        SlurmState.SIGNALING,
        SlurmState.RESIZING,
        SlurmState.STAGE_OUT,
        SlurmState.COMPLETING,
    }
)
