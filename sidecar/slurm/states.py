"""From the word that squeue or sacct prints to a job state."""

from __future__ import annotations

from sidecar.domain.slurm_state import SlurmState
from sidecar.errors import UnreadableSlurmOutput


def parse_state(text: str) -> SlurmState:
    """Read one state.

    sacct adds who cancelled a job (``CANCELLED by 1000``) and marks a word it cut short with a plus
    (``CANCELLED+``): https://slurm.schedmd.com/sacct.html, field ``State``.

    :raises UnreadableSlurmOutput: the word is not in the manual; a guess could end a running pod
    """
    word = text.partition(" ")[0].removesuffix("+")
    try:
        return SlurmState(word)
    except ValueError:
        raise UnreadableSlurmOutput(f"Slurm reports the unknown job state {text[:40]!r}") from None
