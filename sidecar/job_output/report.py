"""Reading the facts that a job wrote down about itself.

The file belongs to the user whose job it is, who may put anything in its place: it is opened without following
links, read in bounded pieces, and every line that is not exactly a fact is counted and passed over.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec

from sidecar.errors import LogUnavailable
from sidecar.pod_files.paths import PodDirectory
from sidecar.runner.contract.facts import MAX_CHECK_BYTES, MAX_MESSAGE_BYTES
from sidecar.system.plain_files import open_descriptor, open_regular
from sidecar.system.users import acting_as_owner_of

_CLAIM_BYTES = 64
_JOB_ID = re.compile(r"[0-9]{1,18}(_[0-9]{1,18})?")
MAX_BYTES = 256 * 1024
"""Read in one call; the rest is for the next one."""
_TAIL_BYTES = 16 * 1024
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

_Name = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")]
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**31)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that happened on the node, by the node's clock (UTC)."""

    at: _Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStarted(Fact):
    """The job claimed the pod."""

    job: str
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerFact(Fact):
    """Something about one attempt (0, 1, ...) to run a container."""

    container: _Name
    attempt: _Count


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePulling(ContainerFact):
    """The image is being fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFailed(ContainerFact):
    """The image could not be had; a :class:`ContainerTerminated` with code 128 follows."""

    message: str = ""
    """The runtime's own words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageBackOff(ContainerFact):
    """The image could not be had; after ``delay`` seconds it is tried again."""

    tries: _Count
    delay: _Count
    message: str = ""
    """As of :class:`ImageFailed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerStarted(ContainerFact):
    """The container's process begins."""

    started: bool = True
    """Whether no hook and no startup probe has to succeed first."""
    ready: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerHealth(ContainerFact):
    """A probe or the postStart hook changed what the container counts as."""

    started: bool
    ready: bool
    message: str = ""
    """What the readiness probe said, where it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerUnhealthy(ContainerFact):
    """A hook failed, or a probe so often that the container is ended."""

    check: Annotated[str, msgspec.Meta(pattern=r"\A(liveness|startup|postStart|preStop)\Z")]
    message: str = ""
    """What the probe or hook said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerTerminated(ContainerFact):
    """The container ended, or could not be started (128)."""

    code: _Count
    oom: bool = False
    """The kernel killed something of the job for lack of memory meanwhile."""
    cannot_run: _Count | None = None
    """The runtime's own code, where it could not start the container."""
    message: str = ""
    """The container's own last words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerRestarting(ContainerFact):
    """``attempt`` starts after so many seconds."""

    delay: _Count


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineExceeded(Fact):
    """The pod has run for its ``activeDeadlineSeconds``."""

    seconds: _Count


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStopping(Fact):
    """The job was told to stop and passes it on to its containers."""

    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFinished(Fact):
    """Nothing of the pod runs any more."""

    code: _Count


FACTS: Mapping[str, type[Fact]] = {
    "job_started": JobStarted,
    "image_pulling": ImagePulling,
    "image_failed": ImageFailed,
    "image_backoff": ImageBackOff,
    "container_started": ContainerStarted,
    "container_health": ContainerHealth,
    "container_unhealthy": ContainerUnhealthy,
    "container_terminated": ContainerTerminated,
    "deadline_exceeded": DeadlineExceeded,
    "container_restarting": ContainerRestarting,
    "job_stopping": JobStopping,
    "job_finished": JobFinished,
}
"""What the job writes as ``fact``; the same kinds and fields as in the contract of daemon and supervisor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one call of :func:`read` found."""

    facts: tuple[Fact, ...] = ()
    offset: int
    """Where the next call begins."""
    skipped: int = 0
    """Lines that are no facts."""
    has_more: bool = False
    """Whether the next call finds more at once."""


def read(directory: PodDirectory, offset: int) -> Report:
    """The facts from ``offset`` on, as far as their lines are complete; nothing where there is no report.

    :param offset: of an earlier :class:`Report`, 0 at first
    """
    try:
        with acting_as_owner_of(directory.root):
            return _read(directory, offset)
    except (OSError, LogUnavailable):
        return Report(offset=offset)


def claimed_by(directory: PodDirectory) -> str:
    """The id of the job that has claimed the pod, or ``""``: what the pod's user says, and perhaps another's job."""
    try:
        with acting_as_owner_of(directory.root), open_regular(directory.claim) as file:
            text = file.read(_CLAIM_BYTES).decode(errors="replace").strip()
    except (OSError, LogUnavailable):
        return ""
    return text if _JOB_ID.fullmatch(text) else ""


def _read(directory: PodDirectory, offset: int) -> Report:
    data = _added(directory, offset)
    is_full = len(data) == MAX_BYTES
    complete = data[: data.rfind(b"\n") + 1]
    if not complete and is_full:  # one endless line is no report
        return Report(offset=offset + len(data), skipped=1, has_more=True)
    if is_full:
        complete = _before_last_end(complete)
    read_facts = [_parse_fact(directory, line) for line in complete.splitlines()]
    facts = tuple(fact for fact in read_facts if fact is not None)
    return Report(facts=facts, offset=offset + len(complete), skipped=len(read_facts) - len(facts), has_more=is_full)


def _added(directory: PodDirectory, offset: int) -> bytes:
    """With as few calls as can be: all reports are read again and again, on network file systems too."""
    descriptor, status = open_descriptor(directory.report)
    try:
        return os.pread(descriptor, MAX_BYTES, offset) if status.st_size > offset else b""
    finally:
        os.close(descriptor)


def _before_last_end(lines: bytes) -> bytes:
    """Without a container's end as the last of several lines: the job writes it at once with the restart that follows,
    and what a piece cuts off must not make it the last of that container.
    """
    start = lines.rfind(b"\n", 0, -1) + 1
    return lines[:start] if start and b'"container_terminated"' in lines[start:] else lines


def _parse_fact(directory: PodDirectory, line: bytes) -> Fact | None:
    try:
        raw = {name: _clean(value) for name, value in json.loads(line).items()}
        fact = msgspec.convert(raw, FACTS[raw["fact"]], strict=False)
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError, OverflowError, msgspec.ValidationError):
        return None
    return _bounded(fact) if "message" in raw else _with_message_beside_log(directory, fact)


def _clean(value: Any) -> Any:
    """Text that can be stored and shown: no NUL, no half of a surrogate pair, and not endless."""
    return _bounded_text(value, MAX_MESSAGE_BYTES) if isinstance(value, str) else value


def _bounded_text(text: str, max_bytes: int) -> str:
    return text.encode(errors="replace").replace(b"\0", b"\xef\xbf\xbd")[:max_bytes].decode(errors="ignore")


def _bounded(fact: Fact) -> Fact:
    match fact:
        case ImageFailed() | ImageBackOff() | ContainerHealth() | ContainerUnhealthy():
            return replace(fact, message=_bounded_text(fact.message, MAX_CHECK_BYTES))
        case _:
            return fact


def _with_message_beside_log(directory: PodDirectory, fact: Fact) -> Fact:
    """The fact with the words that a job of an earlier version has left in files."""
    match fact:
        case ImageFailed() | ImageBackOff():
            return replace(fact, message=_runtime_errors(_tail(directory.pull_log(fact.container))))
        case ContainerTerminated(cannot_run=int()):
            return replace(fact, message=_runtime_errors(_tail(directory.log(fact.container, fact.attempt))))
        case ContainerTerminated():
            return replace(fact, message=_words(directory, fact, "message"))
        case ContainerUnhealthy():
            return replace(fact, message=_words(directory, fact, fact.check).strip())
        case ContainerHealth(started=True, ready=False):
            return replace(fact, message=_words(directory, fact, "readiness").strip())
        case _:
            return fact


def _words(directory: PodDirectory, fact: ContainerFact, what: str) -> str:
    return _tail(directory.words(fact.container, fact.attempt, what), most=MAX_MESSAGE_BYTES)


def _tail(path: Path, *, most: int = _TAIL_BYTES) -> str:
    """The end of a file that the job wrote; nothing where there is none that can be read."""
    try:
        file = open_regular(path)
    except (OSError, LogUnavailable):
        return ""
    with file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - most))
        return file.read(most).decode(errors="replace").replace("\0", "\ufffd")


def _runtime_errors(text: str) -> str:
    """What the runtime said last, its errors rather than its progress."""
    lines = [line.strip() for line in _COLOURS.sub("", text).splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("FATAL", "ERROR"))]
    return "\n".join(errors or lines)[-MAX_CHECK_BYTES:]
