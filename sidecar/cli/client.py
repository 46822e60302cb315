"""The daemon's own API, over its unix socket or its port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

from sidecar.errors import SidecarError
from sidecar.settings import Settings

_CONNECT_SECONDS = 5
_BEYOND_SLURM_SECONDS = 30
"""How much longer than one Slurm command an answer may take."""


class DaemonUnreachable(SidecarError):
    """The daemon does not answer."""


class DaemonRefused(SidecarError):
    """The daemon answered with an error."""


def address_of(settings: Settings) -> str:
    """Where the daemon listens, for people."""
    if settings.socket:
        return f"unix://{settings.socket}"
    host = settings.listen_address
    return f"http://[{host}]:{settings.sidecar_port}" if ":" in host else f"http://{host}:{settings.sidecar_port}"


class DaemonClient:
    """Requests to the daemon that the settings describe."""

    def __init__(self, settings: Settings) -> None:
        self._address = address_of(settings)
        # A proxy from the environment would see the pods' secrets, and could not reach the daemon.
        self._client = httpx2.Client(
            base_url="http://slurm-sidecar" if settings.socket else self._address,
            transport=httpx2.HTTPTransport(uds=str(settings.socket), trust_env=False) if settings.socket else None,
            trust_env=False,
            timeout=httpx2.Timeout(settings.slurm_timeout + _BEYOND_SLURM_SECONDS, connect=_CONNECT_SECONDS),
        )

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        """Submit a pod; the answer has ``PodUID`` and ``PodJID``."""
        answer: dict[str, Any] = self._json("POST", "/create", request)
        return answer

    def delete(self, pod: dict[str, Any]) -> None:
        """Ask for a pod's end."""
        self._checked("POST", "/delete", pod)

    def status(self, pod: dict[str, Any]) -> dict[str, Any]:
        """One pod as interLink sees it."""
        entry: dict[str, Any] = self._json("GET", "/status", [pod])[0]
        return entry

    def readiness(self) -> dict[str, Any]:
        """The daemon's own words about how it fares, ready or not."""
        with self._explained():
            answer = self._client.get("/readyz")
        try:
            words = answer.json()
        except ValueError:
            words = None
        if not isinstance(words, dict) or "orphan_job_ids" not in words:
            raise DaemonRefused(f"what answers at {self._address} is not a slurm-sidecar")
        return words

    def logs(self, request: dict[str, Any]) -> Iterator[bytes]:
        """A container's log as it comes; following may take for ever."""
        endless = httpx2.Timeout(None, connect=_CONNECT_SECONDS)
        with self._explained(), self._client.stream("GET", "/getLogs", json=request, timeout=endless) as answer:
            if answer.status_code != 200:
                answer.read()
                raise self._refusal(answer)
            yield from answer.iter_raw()

    def _json(self, method: str, path: str, body: Any) -> Any:
        return self._checked(method, path, body).json()

    def _checked(self, method: str, path: str, body: Any) -> httpx2.Response:
        with self._explained():
            answer = self._client.request(method, path, json=body)
        if answer.status_code != 200:
            raise self._refusal(answer)
        return answer

    def _refusal(self, answer: httpx2.Response) -> DaemonRefused:
        return DaemonRefused(answer.text.strip() or f"{self._address} answered with status {answer.status_code}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise DaemonUnreachable(
                f"no daemon answers at {self._address} ({_reason(error)}); start it with 'slurm-sidecar serve', "
                "or name its configuration with --config"
            ) from error
        except httpx2.TimeoutException as error:
            raise DaemonUnreachable(f"the daemon at {self._address} did not answer in time; see its log") from error
        except httpx2.TransportError as error:
            raise DaemonUnreachable(
                f"the connection to the daemon at {self._address} broke off; see its log"
            ) from error


def _reason(error: Exception) -> str:
    """``[Errno 111] Connection refused`` without the number."""
    return str(error).rpartition("] ")[2]
