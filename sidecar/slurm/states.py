"""From the word that squeue or sacct prints to a job state."""

from __future__ import annotations

import structlog

from sidecar.domain.slurm_state import SlurmState

log = structlog.get_logger(__name__)


def parse_state(text: str) -> SlurmState:
    """Read one state.

    sacct adds who cancelled a job (``CANCELLED by 1000``) and marks a word it cut short with a plus
    (``CANCELLED+``): https://slurm.schedmd.com/sacct.html, field ``State``.

    A word that is not in the manual is :attr:`SlurmState.UNKNOWN`: a guess could end a running pod, and an error
    would hide all other jobs of the same answer.
    """
    word = text.partition(" ")[0].removesuffix("+")
    try:
        return SlurmState(word)
    except ValueError:
        log.warning("Slurm reports an unknown job state; the last known one is kept", state=text[:40])
        return SlurmState.UNKNOWN
