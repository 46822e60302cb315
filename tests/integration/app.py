"""The real application behind a real server, for tests that speak HTTP to it.

Only Slurm is not real here: small scripts stand for its programs, each of which notes how it was called. With a real
Slurm the tests in ``tests/e2e`` work.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
from structlog.testing import capture_logs

from sidecar import bootstrap
from sidecar.pod_files.paths import PodDirectory
from sidecar.settings import load
from sidecar.web.app import application
from sidecar.web.server import Server, listen, listen_unix
from tests.factories import UID, Json
from tests.reporting import ReportingJob

SCRIPTS = {
    "sbatch": """
        exec 9>>"$here/lock" && flock 9
        { printf '%s\\n' "$@"; env; } >>"$here/told"
        if [[ -e $here/sbatch.says ]]; then cat "$here/sbatch.says" >&2; exit 1; fi
        echo >>"$here/submitted"
        wc -l <"$here/submitted"
    """,
    "squeue": 'if [[ -e $here/squeue.says ]]; then cat "$here/squeue.says" >&2; exit 1; fi',
    "sacct": "echo 'Slurm accounting storage is disabled' >&2; exit 1",
    "scancel": 'printf "%s\\n" "$*" >>"$here/cancelled"',
    "sinfo": 'if [[ -e $here/sinfo.says ]]; then cat "$here/sinfo.says" >&2; exit 1; fi\n'
    "echo 'NODELIST PARTITION AVAIL STATE CPUS MEMORY GRES'; echo 'node1 main* up idle 64 22321 gpu:a100:4'",
}
"""The bodies of the programs; ``$here`` is their folder."""


class App:
    """A running application and the client of it."""

    def __init__(self, root: Path, daemon: bootstrap.Daemon, client: httpx2.Client) -> None:
        self.root = root
        self.client = client
        self.daemon = daemon
        self.log: list[MutableMapping[str, Any]] = []

    def ask(self, method: str, path: str, value: object = None, *, content: bytes | None = None) -> httpx2.Response:
        """One request, as interLink sends it."""
        body = json.dumps(value).encode() if content is None else content
        headers = {"Content-Type": "application/json", "InterLink-Http-Session": "session-1"}
        return self.client.request(method, path, content=body, headers=headers)

    def create(self, request: Json) -> httpx2.Response:
        """Ask for a pod."""
        return self.ask("POST", "/create", request)

    def status(self, *pods: Json) -> list[Json]:
        """Ask about pods."""
        entries: list[Json] = self.ask("GET", "/status", list(pods)).json()
        return entries

    def logs(self, **opts: object) -> httpx2.Response:
        """Ask for the log of the usual pod's main container."""
        return self.ask("GET", "/getLogs", log_request(**opts))

    def job(self, uid: str = UID, namespace: str = "lab") -> ReportingJob:
        """The job of a pod, played by the test."""
        return ReportingJob(PodDirectory.of(self.root / "jobs", namespace=namespace, uid=uid))

    def slurm_says(self, program: str, words: str) -> None:
        """From now on the program fails with these words; without any, it works again."""
        path = self.root / "bin" / f"{program}.says"
        path.write_text(words) if words else path.unlink()

    def noted(self, name: str) -> str:
        """What Slurm's programs wrote down."""
        with suppress(FileNotFoundError):
            return (self.root / "bin" / name).read_text()
        return ""

    @property
    def submissions(self) -> int:
        """How many jobs sbatch took."""
        return self.noted("submitted").count("\n")

    def everything_stored(self) -> bytes:
        """All bytes of the database and its companions."""
        return b"".join(path.read_bytes() for path in (self.root / "state").rglob("*") if path.is_file())


def log_request(**opts: object) -> Json:
    """The body of ``/getLogs``."""
    return {"Namespace": "lab", "PodUID": UID, "PodName": "demo", "ContainerName": "main", "Opts": opts}


def until(condition: Callable[[], bool]) -> None:
    """Wait; half a minute is long enough for anything in here."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "this should have happened long ago"
        time.sleep(0.01)


@contextmanager
def running(
    root: Path, *, tcp: bool = False, variables: Mapping[str, str] | None = None, **settings: object
) -> Iterator[App]:
    """Install the scripts, start everything but the reconciler's thread, and stop it all at the end.

    :param variables: of the daemon's environment
    """
    _install(root / "bin")
    config = _configure(root, settings)
    environ = {"PATH": f"{root / 'bin'}:{os.environ['PATH']}", "HOME": str(root)} | dict(variables or {})
    read = load(config, environ, uid=os.getuid() or 1000)
    bootstrap.prepare_data_root(read)
    with bootstrap.open_database(read) as database, capture_logs() as log:
        daemon = bootstrap.build(read, database, environ)
        listener = listen("127.0.0.1", 0) if tcp else listen_unix(root / "s")
        base = f"http://127.0.0.1:{listener.getsockname()[1]}" if tcp else "http://sidecar"
        transport = httpx2.HTTPTransport(uds=None if tcp else str(root / "s"))
        server = Server(application(daemon.context, read.tracing), on_exit=daemon.stopping.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            until(lambda: server.started)
            with httpx2.Client(transport=transport, base_url=base, timeout=60) as client:
                app = App(root, daemon, client)
                app.log = log
                yield app
        finally:
            daemon.stopping.set()
            server.should_exit = True
            thread.join()


def _install(folder: Path) -> None:
    folder.mkdir()
    for name, body in SCRIPTS.items():
        (folder / name).write_text(f"#!/bin/bash\nhere={folder}\n{body}\n")
        (folder / name).chmod(0o755)


def _configure(root: Path, settings: dict[str, object]) -> Path:
    everything = {
        "DataRootFolder": str(root / "jobs"),
        "DatabasePath": str(root / "state" / "sidecar.db"),
        "SlurmTimeout": 20,
        "ReconcileInterval": 1,
    }
    config = root / "SlurmConfig.yaml"
    config.write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in (everything | settings).items()))
    return config
