"""The sorts of values that the configuration knows."""

from __future__ import annotations

import ipaddress
import os.path
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from sidecar.domain import quantity
from sidecar.domain.sbatch_options import REFUSED
from sidecar.errors import InvalidSettings
from sidecar.settings.document import Value
from sidecar.settings.reading import Kind, Reader

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_NOT_IN_SCRIPTS = re.compile(r"[\x00\ud800-\udfff]")
_MEMORY = re.compile(r"([0-9]{1,12})\s*(?:([KMGT])(?:I?B)?)?", re.IGNORECASE)
_MEMORY_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SECONDS = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?")
_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_CLAIM = re.compile(r"(?:[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?/)?[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?")
_WORDS_OF_TRUTH = {"true": True, "yes": True, "on": True, "1": True}
_WORDS_OF_FALSEHOOD = {"false": False, "no": False, "off": False, "0": False}
_MAX_UID = 2**32 - 2
_UID_RANGE = re.compile(r"([0-9]{1,10})(?:\s*-\s*([0-9]{1,10}))?")
_MAX_SOCKET_BYTES = 107
_MIN_LOG_SIZE = 64 * 1024


def _flag(value: Value, _: Reader) -> bool:
    words = _WORDS_OF_TRUTH | _WORDS_OF_FALSEHOOD
    found = words.get(value.text().strip().lower())
    if found is None:
        raise value.must_be("true or false")
    return found


def _line(value: Value, _: Reader) -> str:
    text = value.text().strip()
    if _CONTROL.search(text):
        raise value.must_be("one line of text without control characters")
    return text


def _script(value: Value, _: Reader) -> str:
    text = value.text()
    if _NOT_IN_SCRIPTS.search(text):
        raise value.must_be("text without NUL characters")
    return text


def _label(value: Value, _: Reader) -> str:
    text = value.text().strip()
    if not _LABEL.fullmatch(text):
        raise value.must_be("at most 63 lower-case letters, digits and dashes, as namespaces are")
    return text


def _whole(value: Value, low: int, high: int) -> int:
    text = value.text().strip()
    if not re.fullmatch(r"[0-9]{1,12}", text) or not low <= int(text) <= high:
        raise value.must_be(f"a whole number from {low} to {high}")
    return int(text)


def _port(value: Value, _: Reader) -> int:
    return _whole(value, 1, 65535)


def _cores(value: Value, _: Reader) -> int | None:
    return _whole(value, 0, 1_000_000) or None


def _restarts(value: Value, _: Reader) -> int | None:
    return _whole(value, 0, 1_000_000)


def _pods(value: Value, _: Reader) -> int | None:
    return _whole(value, 0, 1_000_000) or None


def _option_names(value: Value, reader: Reader) -> tuple[str, ...]:
    return tuple(reader.read(_OPTION_NAME, item) for item in value.items())


def _option_name(value: Value, _: Reader) -> str:
    name = value.text().strip().removeprefix("--")
    if not re.fullmatch(r"[a-z][-a-z0-9_]*", name):
        raise value.must_be("an option's long name, such as container-image")
    if name in REFUSED:
        raise value.problem(f"is --{name}, which no pod may set, because {REFUSED[name]}; remove it.")
    return name


def _uid(value: Value, reader: Reader) -> int:
    uid = _whole(value, 0, _MAX_UID)
    if uid == 0:
        raise value.problem("is 0, but jobs never run as root; name another user, or remove it.")
    if reader.uid not in (0, uid):
        raise value.problem(
            f"is {uid}, but the daemon runs as user {reader.uid}, and only a daemon that runs as root can run jobs as"
            f" another user. Run the daemon as user {uid} or as root, or remove it."
        )
    return uid


def _uid_range(value: Value, _: Reader) -> range:
    match = _UID_RANGE.fullmatch(value.text().strip())
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 0 < first <= last <= _MAX_UID:
        raise value.must_be("a user id such as 1000, or a range such as 1000-1999, without 0, which is root")
    return range(first, last + 1)


def _uid_ranges(value: Value, reader: Reader) -> tuple[range, ...]:
    return tuple(reader.read(_UID_RANGE_KIND, item) for item in value.items())


def _seconds(value: Value, _: Reader) -> float:
    text = value.text().strip()
    if not _SECONDS.fullmatch(text) or not 0.1 <= float(text) <= 86400:
        raise value.must_be("a number of seconds from 0.1 to 86400")
    return float(text)


def _memory(value: Value, _: Reader) -> int | None:
    match = _MEMORY.fullmatch(value.text().strip())
    if not match:
        raise value.must_be("an amount of memory such as 16G or 32000M (a plain number is MiB)")
    return int(match[1]) * _MEMORY_UNITS[(match[2] or "M").upper()] or None


def _path(value: Value, reader: Reader) -> Path:
    _line(value, reader)
    text = reader.expanded(value)
    return Path(os.path.normpath(text if text.startswith("/") else f"{reader.home}/{text}"))


def _socket(value: Value, reader: Reader) -> Path:
    """Source of the limit: https://man7.org/linux/man-pages/man7/unix.7.html (``sun_path`` has 108 bytes with NUL)."""
    text = value.text().strip().removeprefix("unix://")
    if not text:
        raise value.must_be("the path of a socket, such as /run/slurm-sidecar/sidecar.sock")
    path = _path(Value.of_text(value.name, value.place, text), reader)
    if len(os.fsencode(path)) > _MAX_SOCKET_BYTES:
        raise value.must_be(f"a path of at most {_MAX_SOCKET_BYTES} bytes, the limit for sockets")
    return path


def _program(value: Value, reader: Reader) -> str:
    _line(value, reader)
    text = reader.expanded(value)
    if "/" in text and not text.startswith("/"):
        raise value.must_be("an absolute path, or a name without slashes")
    return text


def _interpreter(value: Value, reader: Reader) -> str:
    text = _program(value, reader)
    if not text.startswith("/"):
        raise value.must_be("an absolute path, because it becomes the first line of every script")
    return text


def _runner(value: Value, reader: Reader) -> str:
    text = _program(value, reader)
    if not text.startswith("/"):
        raise value.must_be("an absolute path, because jobs have another PATH than the daemon")
    return text


def _log_size(value: Value, _: Reader) -> int:
    try:
        size = quantity.ceil(quantity.parse(value.text()))
    except ValueError as error:
        raise value.must_be("a size in bytes such as 10Gi or 500M") from error
    if 0 < size < _MIN_LOG_SIZE:
        raise value.must_be(f"0 or at least {_MIN_LOG_SIZE // 1024}Ki")
    return size


def _log_files(value: Value, _: Reader) -> int:
    return _whole(value, 2, 1000)


def _library(value: Value, reader: Reader) -> str:
    """A path that need not make sense while nothing uses it."""
    try:
        return reader.expanded(value)
    except InvalidSettings:
        return _line(value, reader)


def _host_path(value: Value, reader: Reader) -> str:
    _line(value, reader)
    text = reader.expanded(value)
    if not text.startswith("/"):
        raise value.must_be("an absolute path")
    return os.path.normpath(text)


def _host_paths(value: Value, reader: Reader) -> tuple[str, ...]:
    return tuple(reader.read(_HOST_PATH, item) for item in value.items())


def _claims(value: Value, reader: Reader) -> Mapping[str, str]:
    entries = value.entries()
    for name, entry in entries:
        if not _CLAIM.fullmatch(name):
            reader.note(entry.problem("is not named after a claim; write `claim` or `namespace/claim`."))
    known = reader.known(entries, [name for name, _ in entries])
    return {name: path for name, entry in known.items() if (path := reader.read(_HOST_PATH, entry))}


def _split(value: Value, reader: Reader) -> tuple[str, ...]:
    text = _line(value, reader)
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise value.must_be("text whose quotes are closed") from error


def _words(value: Value, reader: Reader) -> tuple[str, ...]:
    return tuple(word for item in value.items() for word in reader.read(_SPLIT, item))


def _flags_of_one(value: Value, reader: Reader) -> tuple[str, ...]:
    words = _split(value, reader)
    if not words or not words[0].startswith("-"):
        raise value.must_be("an sbatch option such as --partition=cpu")
    return words


def _flags(value: Value, reader: Reader) -> tuple[str, ...]:
    return tuple(word for item in value.items() for word in reader.read(_FLAGS_OF_ONE, item))


def _address(value: Value, _: Reader) -> str:
    try:
        return str(ipaddress.ip_address(value.text().strip()))
    except ValueError as error:
        raise value.must_be("an IP address such as 127.0.0.1 or ::1") from error


def choice(*choices: str) -> Kind[str]:
    """One of a few words."""

    def parse(value: Value, _: Reader) -> str:
        text = value.text().strip().lower()
        if text not in choices:
            raise value.must_be(" or ".join(choices))
        return text

    return Kind(" or ".join(f"`{word}`" for word in choices), parse, choices[0])


FLAG = Kind("true or false", _flag, unset=False)
LINE = Kind("text", _line, "")
TEXT = Kind("text", _script, "")
SCRIPT = Kind("shell text", _script, "")
LABEL = Kind("namespace", _label, "")
PORT = Kind("TCP port", _port, 0)
CORES: Kind[int | None] = Kind("cores (0: none)", _cores, None)
RESTARTS: Kind[int | None] = Kind("number (0: never)", _restarts, None)
PODS: Kind[int | None] = Kind("pods (0: not sent)", _pods, None)
UID: Kind[int | None] = Kind("user id", _uid, None)
_UID_RANGE_KIND = Kind("user ids", _uid_range, range(0))
UIDS: Kind[tuple[range, ...]] = Kind("list of user ids and ranges such as `1000-1999`", _uid_ranges, ())
SECONDS = Kind("seconds", _seconds, 0.0)
MEMORY: Kind[int | None] = Kind("memory: `16G`, `32000M`, a plain number is MiB (0: none)", _memory, None)
PATH: Kind[Path | None] = Kind("path", _path, None)
SOCKET: Kind[Path | None] = Kind("path", _socket, None)
PROGRAM = Kind("program", _program, "")
LIBRARY = Kind("path", _library, "")
INTERPRETER = Kind("path", _interpreter, "")
RUNNER = Kind("path", _runner, "")
LOG_SIZE = Kind("bytes: `10Gi`, `500M` (0: never)", _log_size, 0)
LOG_FILES = Kind("number", _log_files, 2)
CLAIMS: Kind[Mapping[str, str]] = Kind("map of paths", _claims, {})
PATHS: Kind[tuple[str, ...]] = Kind("list of paths", _host_paths, ())
WORDS: Kind[tuple[str, ...]] = Kind("list of options", _words, ())
FLAGS: Kind[tuple[str, ...]] = Kind("list of sbatch options", _flags, ())
OPTION_NAMES: Kind[tuple[str, ...]] = Kind("list of option names", _option_names, ())
ADDRESS = Kind("IP address", _address, "")
RUNTIME = choice("singularity", "enroot")
_OPTION_NAME = Kind("option name", _option_name, "")
_HOST_PATH = Kind("path", _host_path, "")
_SPLIT: Kind[tuple[str, ...]] = Kind("options", _split, ())
_FLAGS_OF_ONE: Kind[tuple[str, ...]] = Kind("options", _flags_of_one, ())
