"""The small grammars that the outputs of Slurm's programs share: records, times, sizes, exit codes.

Job names and comments are free text, so no fixed character separates fields safely: a job named ``a|b`` would shift
every field behind it, and whoever names jobs could forge the state of others. Each call therefore makes up its own
separator, which no text written before the call can contain.
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime

from sidecar.errors import UnreadableSlurmOutput

_UNITS = {unit: 1024**power for power, unit in enumerate(("", "K", "M", "G", "T", "P", "E"))}
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)([KMGTPE]?)")
_CPU_TIME = re.compile(r"(?:([0-9]{1,9})-)?(?:([0-9]{1,9}):)?([0-9]{1,9}):([0-9]{1,9}(?:\.[0-9]{1,9})?)")
_EXIT_CODE = re.compile(r"([0-9]{1,9}):([0-9]{1,9})")
_JOB_ID = re.compile(r"[0-9]+(?:_(?:[0-9]+|\[.*\]))?(?:\+[0-9]+)?", re.DOTALL)
_NEVER = frozenset({"", "N/A", "NONE", "None", "Unknown", "0"})
_LAST_SECOND = 253402300799
"""The end of the year 9999, where Python's calendar stops."""


def new_separator() -> str:
    """A separator for the fields of one call; plain characters, since Slurm may alter others."""
    return f"|{secrets.token_hex(4)}|"


def records(text: str, separator: str, width: int) -> list[tuple[str, ...]]:
    """Split output into records of ``width`` fields, each field followed by ``separator``, each record by a newline.

    Fields are counted and lines are not, because a comment may contain newlines.

    :raises UnreadableSlurmOutput: something other than whole records is in the text
    """
    *fields, rest = text.split(separator)
    if rest.strip() or len(fields) % width:
        raise UnreadableSlurmOutput(f"Slurm printed something other than records of {width} fields: {text[-80:]!r}")
    found = [tuple(fields[start : start + width]) for start in range(0, len(fields), width)]
    return [(first.removeprefix("\n"), *others) for first, *others in found]


def parse_job_id(text: str) -> str:
    """A job id as text: ``123``, ``123_4`` (array task), ``123_[5-9]`` (tasks not yet split off), ``123+1``.

    Source: https://slurm.schedmd.com/squeue.html, format ``%i``.
    """
    if not _JOB_ID.fullmatch(text):
        raise UnreadableSlurmOutput(f"Slurm printed {text[:40]!r} where a job id belongs")
    return text


def parse_time(text: str) -> datetime | None:
    """A moment in seconds since 1970 (``SLURM_TIME_FORMAT=%s``: no time zone to guess); ``None`` if not yet known."""
    if text in _NEVER:
        return None
    seconds = parse_count(text)
    if seconds > _LAST_SECOND:
        raise UnreadableSlurmOutput(f"Slurm printed {text[:40]!r} where a time in seconds belongs")
    return datetime.fromtimestamp(seconds, UTC)


def parse_count(text: str) -> int:
    """A whole number that is not negative."""
    if not re.fullmatch("[0-9]{1,18}", text):
        raise UnreadableSlurmOutput(f"Slurm printed {text[:40]!r} where a whole number belongs")
    return int(text)


def parse_size(text: str) -> int | None:
    """Bytes from ``1.5G``, ``500M``, ``3204K`` or ``0`` (1024-based); ``None`` from an empty field."""
    if not text:
        return None
    match = _SIZE.fullmatch(text)
    if not match:
        raise UnreadableSlurmOutput(f"Slurm printed {text[:40]!r} where an amount of memory belongs")
    return int(float(match[1]) * _UNITS[match[2]])


def parse_cpu_time(text: str) -> float | None:
    """Seconds from ``[[days-]hours:]minutes:seconds[.fraction]``; ``None`` from an empty field.

    Source: https://slurm.schedmd.com/sacct.html, field ``TotalCPU``.
    """
    if not text:
        return None
    match = _CPU_TIME.fullmatch(text)
    if not match:
        raise UnreadableSlurmOutput(f"Slurm printed {text[:40]!r} where a duration belongs")
    days, hours, minutes = (int(part or 0) for part in match.group(1, 2, 3))
    return ((days * 24 + hours) * 60 + minutes) * 60 + float(match[4])


def parse_exit_code(text: str) -> tuple[int, int]:
    """Exit code and signal from ``3:0``.

    Source: https://slurm.schedmd.com/sacct.html, field ``ExitCode``.
    """
    match = _EXIT_CODE.fullmatch(text)
    if not match:
        raise UnreadableSlurmOutput(f"Slurm printed {text[:40]!r} where an exit code belongs")
    return int(match[1]), int(match[2])
