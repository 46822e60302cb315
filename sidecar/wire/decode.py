"""JSON text to typed values, with one sentence where it does not fit."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TypeVar

import msgspec

from sidecar.errors import MalformedRequest

T = TypeVar("T")

MOST_SECONDS = 10 * 365 * 24 * 3600
"""Ten years: longer spans are mistakes, and would leave the calendar that dates are computed with."""

_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}")
"""RFC 4122 text form, or the 32 hex digits of a static pod."""
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""RFC 1123 label."""
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
"""RFC 1123 subdomain."""


def decode(body: bytes, shape: type[T]) -> T:
    """Read a JSON body.

    :raises MalformedRequest: it is no JSON or not of that shape; the text has the JSON path and what was expected
    """
    try:
        return msgspec.json.decode(body or b"null", type=shape)
    except msgspec.ValidationError as error:
        raise MalformedRequest(f"the request does not fit: {error}") from error
    except msgspec.DecodeError as error:
        raise MalformedRequest(f"the request is not valid JSON: {error}") from error
    except RecursionError as error:
        raise MalformedRequest("the request is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise MalformedRequest("the request is not UTF-8 text") from error


def pod_uid(uid: str | None, path: str) -> str:
    """A pod's UID that is safe in a path.

    :raises MalformedRequest: it has neither form
    """
    if not uid or not _UID.fullmatch(uid):
        raise MalformedRequest(f"{path}: {_shown(uid)} is not a pod UID (RFC 4122 text form or 32 hex digits)")
    return uid


def label(text: str | None, path: str) -> str:
    """An RFC 1123 label (a namespace or a container's name).

    :raises MalformedRequest: it is none
    """
    if not text or not _is_label(text):
        raise MalformedRequest(
            f"{path}: {_shown(text)} is not a name of at most 63 lower-case letters, digits and dashes"
        )
    return text


@lru_cache(maxsize=1024)
def _is_label(text: str) -> bool:
    """Remembered, because namespaces and containers of all pods have few names between them."""
    return bool(_LABEL.fullmatch(text))


def subdomain(text: str | None, path: str) -> str:
    """An RFC 1123 subdomain (a pod's name).

    :raises MalformedRequest: it is none
    """
    if not text or not _SUBDOMAIN.fullmatch(text) or ".." in text:
        raise MalformedRequest(f"{path}: {_shown(text)} is not a name of lower-case letters, digits, dashes and dots")
    return text


def _shown(text: str | None) -> str:
    return repr(text[:80]) if text else "nothing"
