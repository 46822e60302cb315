"""interLink's API server, as the sidecar meets it: its requests, its cache, its errors.

Source: https://github.com/interlink-hq/interLink/tree/main/pkg/interlink/api
"""

from __future__ import annotations

import html
import secrets
import socket as sockets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from tests.virtual_kubelet.admission import Json
from tests.virtual_kubelet.answers import ContractBroken, Created, Ping, check_statuses, read

TIMEOUT_SECONDS = 120
_LOST_CONNECTION = (httpx2.RemoteProtocolError, httpx2.ReadError)


class CallFailed(Exception):
    """The sidecar answered with an error, or not at all; the text is what the pod's events show."""


class Interlink:
    """One connection pool to one sidecar."""

    def __init__(self, base_url: str = "http://unix", *, socket: Path | None = None) -> None:
        transport = httpx2.HTTPTransport(uds=str(socket) if socket else None)
        self._http = httpx2.Client(base_url=base_url, transport=transport, timeout=TIMEOUT_SECONDS)
        self._socket = socket
        self._statuses: dict[str, Json] = {}

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def create(self, body: Json) -> Created:
        """Send a new pod.

        :raises CallFailed: with the sidecar's words
        """
        response = self._call("POST", "/create", body, "CreatePod")
        created = read(_json(response), Created)
        if created.PodUID != body["pod"]["metadata"]["uid"]:
            raise ContractBroken(f"/create answers for pod {created.PodUID}")
        return created

    def delete(self, pod: Json) -> str:
        """Ask for a pod's end; not repeated after an error."""
        self._statuses.pop(pod["metadata"]["uid"], None)
        return self._call("POST", "/delete", pod, "DeletePod").text

    def statuses(self, pods: Sequence[Json]) -> list[Json]:
        """The sidecar's entries for these pods; pods that ended are answered from the cache."""
        asked = [pod for pod in pods if _is_open(pod) or pod["metadata"]["uid"] not in self._statuses]
        if asked:
            response = self._call("GET", "/status", asked, "GetStatus")
            for entry in check_statuses(asked, _json(response)):
                self._statuses[entry["UID"]] = entry
        return [self._statuses[pod["metadata"]["uid"]] for pod in pods]

    def ping(self) -> Ping:
        """The node's heartbeat."""
        response = self._call("GET", "/status", [], "PingInterLink")
        return read(_json(response), Ping)

    def system_info(self) -> Json:
        """What the plugin says about its cluster."""
        response = self._call("GET", "/system-info", None, "SystemInfo")
        info: Json = msgspec.json.decode(_json(response))
        names = ["status", "timestamp", "slurm_connected", "sinfo_output", "error"]
        if list(info) != names:
            raise ContractBroken(f"/system-info: expected {names}, got {list(info)}")
        return info

    @contextmanager
    def logs(self, request: Json) -> Iterator[Iterator[str]]:
        """The pieces of a log as they come.

        :raises CallFailed: the options contradict each other, or the sidecar has no such log
        """
        check_log_options(request["Opts"])
        session = _session("GetLogs")
        with self._http.stream("GET", "/getLogs", **_content(request, session), timeout=None) as response:
            if response.status_code != 200:
                response.read()
                raise _failure(response, session)
            _check_type(response, "text/plain")
            yield response.iter_text()

    def _call(self, method: str, path: str, body: Any, caller: str) -> httpx2.Response:
        session = _session(caller)
        # Asked first, because the client leaks a socket that cannot be connected.
        if self._socket is not None and not is_listening(self._socket):
            raise CallFailed(f"HTTP InterLink session {session}: dial unix {self._socket}: connection refused")
        try:
            response = self._send(method, path, body, session)
        except httpx2.TransportError as error:
            raise CallFailed(f"HTTP InterLink session {session}: {type(error).__name__}: {error}") from error
        if response.status_code != 200:
            raise _failure(response, session)
        return response

    def _send(self, method: str, path: str, body: Any, session: str) -> httpx2.Response:
        """Go repeats a GET, and only a GET, whose connection was closed before an answer came."""
        try:
            return self._http.request(method, path, **_content(body, session))
        except _LOST_CONNECTION:
            if method != "GET":
                raise
            return self._http.request(method, path, **_content(body, session))


def is_listening(path: Path) -> bool:
    """Whether somebody accepts connections on a unix socket."""
    with sockets.socket(sockets.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def check_log_options(options: Json) -> None:
    """Contradictions are answered before the sidecar hears of them."""
    if options["Tail"] and options["Bytes"]:
        raise CallFailed("Both Tail and LimitBytes set. Set only one of them")
    if options["SinceSeconds"] and not options["SinceTime"].startswith("0001-"):
        raise CallFailed("Both SinceSeconds and SinceTime set. Set only one of them")


def _session(caller: str) -> str:
    return f"{caller}#{secrets.randbelow(100_000)}"


def _content(body: Any, session: str) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "InterLink-Http-Session": session}
    return {"headers": headers, "content": None if body is None else msgspec.json.encode(body)}


def _failure(response: httpx2.Response, session: str) -> CallFailed:
    _check_type(response, "text/plain")
    if not response.text.strip() or "Traceback" in response.text:
        raise ContractBroken(f"an error must say one clear sentence, got {response.text!r}")
    words = f"HTTP InterLink session {session}: call exit status: 500. Body: {response.text}"
    return CallFailed(html.escape(words))


def _json(response: httpx2.Response) -> bytes:
    _check_type(response, "application/json")
    return response.content


def _check_type(response: httpx2.Response, expected: str) -> None:
    content_type = response.headers.get("content-type", "")
    if content_type.partition(";")[0] != expected:
        raise ContractBroken(f"{response.request.url.path}: content type {content_type!r} is not {expected}")


def _is_open(pod: Json) -> bool:
    return pod["status"]["phase"] in ("Pending", "Running")
