"""What an examination of the site finds, and how it is shown."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum

from sidecar.cli.console import clean, print_json


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """The daemon works, with less than it could have."""
    PROBLEM = "problem"
    """Pods will not run."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the examination."""

    level: Level
    subject: str
    text: str
    """What is so, and what to do where it is not well."""


def ok(subject: str, text: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, subject, text)


def warning(subject: str, text: str) -> Finding:
    """It works, with less than it could have."""
    return Finding(Level.WARNING, subject, text)


def problem(subject: str, text: str) -> Finding:
    """Pods will not run."""
    return Finding(Level.PROBLEM, subject, text)


def show(findings: Iterable[Finding], *, as_json: bool) -> bool:
    """Print findings as they come; return whether one is a problem."""
    seen = []
    for finding in findings:
        seen.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        print_json([asdict(finding) for finding in seen])
    return any(finding.level is Level.PROBLEM for finding in seen)


_STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "bold red"}


def _print(finding: Finding) -> None:
    """One line; on a terminal the level has a color."""
    rest = clean(f"{finding.subject:<13} {finding.text}")
    if not sys.stdout.isatty():
        print(f"{finding.level:<8} {rest}", flush=True)
        return
    from rich.console import Console
    from rich.text import Text

    Console(soft_wrap=True).print(Text.assemble((f"{finding.level:<8} ", _STYLES[finding.level]), rest))
