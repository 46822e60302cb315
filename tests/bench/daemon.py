"""A sidecar of the benchmark's own, in a folder of its own, on a unix socket."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from tests.bench.measure import megabytes

COMMAND = (sys.executable, "-m", "sidecar", "serve", "--config")
_START_SECONDS = 60
_STOP_SECONDS = 30
_RETRY_SECONDS = 0.01


class Unavailable(RuntimeError):
    """The daemon asks to try again."""


class Connection(http.client.HTTPConnection):
    """A kept-alive connection to the daemon; one thread at a time."""

    def __init__(self, path: Path) -> None:
        super().__init__("sidecar", timeout=60)
        self._path = path

    def connect(self) -> None:
        """Open the unix socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(self._path))

    def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        """One request and its answer's body.

        :raises Unavailable: the answer is 503
        :raises RuntimeError: the answer is not 200
        """
        self.request(method, path, body)
        response = self.getresponse()
        answer = response.read()
        if response.status != 200:
            error = Unavailable if response.status == 503 else RuntimeError
            raise error(f"{method} {path}: {response.status} {answer[:300].decode(errors='replace')}")
        return answer

    def answer_of(self, method: str, path: str, body: bytes = b"") -> Any:
        """One request and its answer, which is JSON."""
        return json.loads(self.ask(method, path, body))


class Daemon:
    """Where a daemon's files are, and the daemon while it runs."""

    def __init__(self, folder: Path, image: Path, **programs: Path) -> None:
        """Write the configuration.

        :param folder: an empty one of its own
        :param programs: keys of the configuration for Slurm's programs, such as ``SqueuePath``
        """
        self.folder = folder
        self.image = image
        self.socket = folder / "socket"
        self.database = folder / "database" / "sidecar.db"
        self.data_root = folder / "jobs"
        self._config = folder / "SlurmConfig.yaml"
        self._process: subprocess.Popen[bytes] | None = None
        keys = {
            "Socket": self.socket,
            "DatabasePath": self.database,
            "DataRootFolder": self.data_root,
            "SingularityPath": shutil.which("apptainer") or shutil.which("singularity") or "singularity",
            **programs,
        }
        self._config.write_text("".join(f"{key}: {value}\n" for key, value in keys.items()))

    def launch(self) -> None:
        """Start it, without waiting until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([*COMMAND, str(self._config)], stdout=log, stderr=log)

    def wait_until(self, path: str, body: bytes = b"") -> None:
        """Ask until the answer is 200.

        :raises RuntimeError: it does not come; the text has the end of the daemon's log
        """
        deadline = monotonic() + _START_SECONDS
        while monotonic() < deadline and self.process.poll() is None:
            with suppress(OSError, http.client.HTTPException, RuntimeError), self.connection() as connection:
                connection.ask("GET", path, body)
                return
            sleep(_RETRY_SECONDS)
        raise RuntimeError(f"the daemon does not answer {path}:\n{(self.folder / 'log').read_text()[-3000:]}")

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection of its own."""
        connection = Connection(self.socket)
        try:
            yield connection
        finally:
            connection.close()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running process."""
        if self._process is None:
            raise RuntimeError("the daemon was not started")
        return self._process

    def memory(self, line: str = "VmRSS") -> float:
        """Resident memory in MB: ``VmRSS`` now, ``VmHWM`` at most so far.

        Source: https://man7.org/linux/man-pages/man5/proc_pid_status.5.html
        """
        return megabytes(self.process.pid, "status", line)

    def cpu_seconds(self) -> float:
        """User and system time so far, that of programs that it has called included.

        Source: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html, fields 14 to 17
        """
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    def forget_peak(self) -> None:
        """Let ``VmHWM`` begin anew.

        Source: https://man7.org/linux/man-pages/man5/proc_pid_clear_refs.5.html
        """
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def stop(self) -> None:
        """End it, as an administrator would."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_STOP_SECONDS)
            self._process = None

    @contextmanager
    def running(self) -> Iterator[Connection]:
        """Start it, wait until it answers and has spoken with Slurm, and end it afterwards."""
        self.launch()
        try:
            self.wait_until("/readyz")
            with self.connection() as connection:
                yield connection
        finally:
            self.stop()


def environment_of_jobs() -> dict[str, str]:
    """As little as the sidecar gives to sbatch, so that both sides submit with the same."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "USER", "LOGNAME") if name in os.environ}
