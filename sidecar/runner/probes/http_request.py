"""The request of a probe, as a kubelet writes it."""

from sidecar.runner.probes import sockets
from sidecar.runner.probes.outcomes import ActionFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, Optional, Sequence, Tuple

    Headers = Sequence[Sequence[str]]

USER_AGENT = "kube-probe/1.34"
_WRITTEN_BY_US = frozenset({"host", "user-agent", "content-length", "transfer-encoding", "trailer"})
"""Headers of which a kubelet writes its own line, or none.

Source: https://github.com/golang/go/blob/go1.24.0/src/net/http/request.go, ``reqWriteExcludeHeader``
"""
_IN_URLS = "/?&=%+:@!$'()*,;~[]"
"""Characters that stay as they are in the path and query that a server names."""


class Url:
    """Whom a request goes to, and for what."""

    def __init__(self, scheme: str, host: str, port: int, target: str) -> None:
        self.scheme = scheme
        self.host = host
        self.port = port
        self.target = target
        """Path and query, escaped."""

    @property
    def authority(self) -> str:
        """Host and port."""
        return sockets.at(self.host, self.port)

    @property
    def text(self) -> str:
        """As one writes it."""
        return f"{self.scheme}://{self.authority}{self.target}"


def request_bytes(url: Url, headers: "Headers", host: "Optional[str]") -> bytes:
    """The request.

    A user agent and what is accepted are added, unless the headers say something of them, if only that there shall be
    none. Source: https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/probe/http/request.go

    :param host: for the ``Host`` header in place of the URL's
    :raises ActionFailed: a line end in a header or a space in the URL would make other requests of it
    """
    if any(character <= " " or character > "~" for character in url.target):
        raise ActionFailed("the path of the request is not valid in a URL")
    lines = [f"GET {url.target} HTTP/1.1", f"Host: {host or url.authority}", *_other_lines(headers)]
    text = "\r\n".join(lines)
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1 or "\0" in text:
        raise ActionFailed("a header of the request has a character that HTTP does not allow")
    return text.encode("utf-8", "replace") + b"\r\n\r\n"


def _other_lines(headers: "Headers") -> "Iterator[str]":
    agent = header(headers, "user-agent")
    if agent != "":
        yield f"User-Agent: {USER_AGENT if agent is None else agent}"
    accept = header(headers, "accept")
    if accept is None:
        yield "Accept: */*"
    if header(headers, "connection") is None:
        yield "Connection: close"
    for name, value in headers:
        if name.lower() not in _WRITTEN_BY_US and not (accept == "" and name.lower() == "accept"):
            yield f"{name}: {value}"


def header(headers: "Headers", name: str) -> "Optional[str]":
    """The first value of a header; ``None`` if it is not there."""
    return next((value for key, value in headers if key.lower() == name), None)


def redirected(url: Url, location: bytes) -> "Tuple[Optional[Url], bool]":
    """The URL that a redirect leads to, and whether it is relative; ``None`` for one of another host.

    :raises ActionFailed: it is no URL of HTTP
    """
    from urllib.parse import quote, urljoin, urlsplit  # few servers redirect a probe

    try:
        text = location.decode("utf-8", "surrogateescape")
        parts = urlsplit(urljoin(url.text, text))
        host, port = parts.hostname or "", parts.port
        is_relative = not urlsplit(text).scheme
    except ValueError:
        raise ActionFailed("the redirect leads to no valid URL") from None
    if host != url.host.lower():
        return None, False
    if parts.scheme not in ("http", "https"):
        raise ActionFailed("the redirect does not lead to HTTP")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    escaped = quote(target, safe=_IN_URLS, errors="surrogateescape")
    default = 443 if parts.scheme == "https" else 80
    return Url(parts.scheme, url.host, default if port is None else port, escaped), is_relative
