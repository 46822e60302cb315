"""The real Slurm programs behind a door that a test can close."""

from __future__ import annotations

import shlex
import shutil
from enum import StrEnum
from pathlib import Path

PROGRAMS = ("sbatch", "squeue", "scancel", "sacct", "sinfo")


class Fault(StrEnum):
    """What may be wrong with a program."""

    FAIL = "fail"
    """It does nothing and says that the controller cannot be reached."""
    HANG = "hang"
    """It waits until the fault is lifted, and then does its work."""
    LOSE_ANSWER = "lose"
    """It does its work and then says that the answer did not come."""
    HIDE_FINISHED = "hide"
    """squeue lists no finished jobs, as when MinJobAge has passed."""


_DOOR = """#!/bin/bash
here={here}
real={real}
program={program}
echo "$*" >>"$here/calls.$program"
fault=$(cat "$here/fault.$program" 2>/dev/null)
case $fault in
fail)
    echo "$program: error: Unable to contact slurm controller (connect failure)" >&2
    exit 1
    ;;
hang) while [[ -e $here/fault.$program ]]; do sleep 0.05; done ;;
lose)
    "$real" "$@" >/dev/null || exit
    echo "$program: error: Batch job submission failed: Socket timed out on send/recv operation" >&2
    exit 1
    ;;
hide)
    for word; do [[ $word == --states=all ]] || kept+=("$word"); done
    set -- "${{kept[@]}}"
    ;;
esac
exec "$real" "$@"
"""


class SlurmDoors:
    """Slurm's programs as one daemon calls them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        for program in PROGRAMS:
            self._install(program)

    def _install(self, program: str) -> None:
        real = shutil.which(program)
        assert real is not None, f"Slurm's program {program} is not on PATH: start a cluster with scripts/cluster start"
        words = {"here": str(self._folder), "real": real, "program": program}
        self.path(program).write_text(_DOOR.format(**{key: shlex.quote(word) for key, word in words.items()}))
        self.path(program).chmod(0o755)

    def path(self, program: str) -> Path:
        """What the configuration names."""
        return self._folder / program

    def set(self, fault: Fault, *programs: str) -> None:
        """Make programs misbehave from their next call on."""
        for program in programs:
            self._fault(program).write_text(fault)

    def lift(self, *programs: str) -> None:
        """Make programs work again, all of them by default; those that hang go on."""
        for program in programs or PROGRAMS:
            self._fault(program).unlink(missing_ok=True)

    def calls(self, program: str) -> list[str]:
        """The arguments of every call so far."""
        path = self._folder / f"calls.{program}"
        return path.read_text().splitlines() if path.exists() else []

    def _fault(self, program: str) -> Path:
        return self._folder / f"fault.{program}"
