"""What a measurement says, and the arithmetic that all of them share."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the result."""

    budget: str
    """Name of the budget it belongs to."""
    what: str
    value: float
    unit: str
    limit: float | None = None
    """What the budget allows; ``None`` for a figure that is only there to compare with."""
    is_floor: bool = False
    """Whether the value must be at least the limit, instead of at most."""

    @property
    def is_reached(self) -> bool | None:
        """Whether the figure keeps its budget; ``None`` where it has none."""
        if self.limit is None:
            return None
        return self.value >= self.limit if self.is_floor else self.value <= self.limit


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return statistics.median(values)


def p95(values: Sequence[float]) -> float:
    """The value that 95 % do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-95 * len(ordered) // 100) - 1)]


def seconds_of(action: Callable[[], object]) -> float:
    """How long something takes."""
    started = perf_counter()
    action()
    return perf_counter() - started


def megabytes(pid: int, file: str, line: str) -> float:
    """Memory of a process, from a file of ``/proc/PID`` that counts in kB and one of its lines; 0 where it is a zombie.

    Source: https://docs.kernel.org/filesystems/proc.html
    """
    text = Path(f"/proc/{pid}/{file}").read_text()
    kibibytes = next((row.split()[1] for row in text.splitlines() if row.startswith(f"{line}:")), "0")
    return int(kibibytes) * 1024 / 1e6
