"""The path of a probe or hook, as a request needs it."""

from __future__ import annotations

from urllib.parse import quote

_IN_URLS = "/?&=%+:@!$'()*,;~[]"
"""Characters that stay as they are in the path and query of a probe; a ``%`` may begin one that is escaped already."""


def request_target(path: str) -> str:
    """Path and query, escaped, beginning with a slash; a fragment is not sent."""
    return "/" + quote(path.partition("#")[0].removeprefix("/"), safe=_IN_URLS)
