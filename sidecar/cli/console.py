"""Printing: rich on a terminal, lines of tab-separated values elsewhere, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sidecar.errors import SidecarError

NAME = "slurm-sidecar"


def note(text: str) -> None:
    """A sentence for people, beside the output."""
    print(f"{NAME}: {clean(text)}", file=sys.stderr)


def complain(error: SidecarError) -> None:
    """Why it did not work, one line a problem."""
    for line in str(error).splitlines():
        note(line)


def say(text: str) -> None:
    """One line of output."""
    print(clean(text), flush=True)


def print_json(value: Any) -> None:
    """One JSON document."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]], *, colors: dict[str, str] | None = None) -> None:
    """Rows under a head.

    :param colors: style of a cell by its text, for terminals
    """
    cleaned = [[clean(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for line in [head, *cleaned]:
            print("\t".join(line))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in head:
        table.add_column(title, overflow="fold")
    for row in cleaned:
        table.add_row(*(Text(cell, style=(colors or {}).get(cell, "")) for cell in row))
    Console().print(table)


def clean(text: str) -> str:
    """The text on one line: messages come from pods and programs, and must not steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in text).strip()


def iso(moment: datetime | None) -> str | None:
    """A time for programs: ISO 8601 in UTC."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def local(moment: datetime) -> str:
    """A time for people: ISO 8601 to the second in the local time zone, as squeue and sacct print it."""
    return moment.astimezone().replace(microsecond=0).isoformat()


def age(seconds: float) -> str:
    """A span as kubectl writes it: ``42s``, ``7m5s``, ``3h20m``, ``12d``."""
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole}s"
    if whole < 2 * 3600:
        return f"{whole // 60}m{whole % 60}s"
    if whole < 48 * 3600:
        return f"{whole // 3600}h{whole % 3600 // 60}m"
    return f"{whole // 86400}d"
