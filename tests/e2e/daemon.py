"""A real daemon in a process of its own, with its own socket, database and data folder."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.programs import SlurmDoors
from tests.e2e.waiting import until
from tests.virtual_kubelet.interlink import is_listening
from tests.virtual_kubelet.kubelet import VirtualKubelet

CHECKOUT = Path(__file__).parents[2]
LOG_LINES = 60


class Daemon:
    """Started, killed and started again at a test's will."""

    def __init__(self, root: Path, image: Path, **settings: object) -> None:
        self.doors = SlurmDoors(root / "slurm")
        self.data_root = root / "data"
        self.log = root / "daemon.log"
        self.socket = root / "s"
        self._database = root / "state" / "sidecar.db"
        self._config = root / "SlurmConfig.yaml"
        self._process: subprocess.Popen[bytes] | None = None
        self._kubelets: list[VirtualKubelet] = []
        self._configure({"ImagePrefix": f"{image.parent}/"} | settings)

    def _configure(self, settings: dict[str, object]) -> None:
        programs = {
            f"{program.capitalize()}Path": str(self.doors.path(program))
            for program in ("sbatch", "squeue", "scancel", "sacct", "sinfo")
        }
        everything: dict[str, object] = {
            "Socket": f"unix://{self.socket}",
            "DataRootFolder": str(self.data_root),
            "DatabasePath": str(self._database),
            "SingularityPath": "apptainer",
            "ReconcileInterval": 1,
            "SlurmTimeout": 20,
            "LogFormat": "text",
        }
        lines = [f"{key}: {json.dumps(value)}" for key, value in (everything | programs | settings).items()]
        self._config.write_text("\n".join(lines) + "\n")

    def kubelet(self) -> VirtualKubelet:
        """A virtual kubelet with this daemon as its plugin."""
        kubelet = VirtualKubelet(socket=self.socket)
        self._kubelets.append(kubelet)
        return kubelet

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sidecar", "serve", "--config", str(self._config)],
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            until(self._answers_or_died, "the daemon answers")
        except AssertionError as error:
            pytest.fail(f"{error}; its log ends with\n{self.log_tail()}")
        if self._process.poll() is not None:
            pytest.fail(f"the daemon does not start; its log ends with\n{self.log_tail()}")

    def _answers_or_died(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            return True
        return is_listening(self.socket)

    def kill(self) -> None:
        """``kill -9``."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=30)
            self._process = None

    def cli(self, *words: str) -> str:
        """What the command line prints about this daemon."""
        done = self.command(*words)
        done.check_returncode()
        return done.stdout

    def log_tail(self) -> str:
        """The end of its log."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-LOG_LINES:])

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A verb of the command line, with this daemon's configuration."""
        return subprocess.run(
            [sys.executable, "-m", "sidecar", *words, "--config", str(self._config)],
            cwd=CHECKOUT,
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def history(self, uid: str) -> list[str]:
        """The kinds of a pod's events, in order."""
        with sqlite3.connect(f"file:{self._database}?mode=ro", uri=True) as database:
            rows = database.execute("select kind from events where pod_uid = ? order by version", (uid,)).fetchall()
        database.close()
        return [kind for (kind,) in rows]

    def records(self) -> list[Path]:
        """All that outlives a pod: the log and the files of the database."""
        return [self.log, *(path for path in self._database.parent.iterdir() if path.is_file())]

    def directory(self, uid: str, namespace: str = "default") -> Path:
        """A pod's directory."""
        return self.data_root / f"{namespace}-{uid}"

    def jobs(self, uid: str = "") -> dict[str, str]:
        """Ids and states of the jobs of one pod, or of all, that Slurm's queue still lists."""
        whose = ["--me"] if os.geteuid() else []
        queue = subprocess.run(
            ["squeue", *whose, "--states=all", "--noheader", "--format=%i %T %Z"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        prefix = str(self.directory(uid)) if uid else f"{self.data_root}/"
        rows = [line.split(" ", 2) for line in queue.splitlines()]
        return {job_id: state for job_id, state, folder in rows if folder.startswith(prefix)}

    def destroy(self) -> None:
        """End it with everything that it has set going."""
        for kubelet in self._kubelets:
            kubelet.close()
        self.kill()
        self.doors.lift()
        if jobs := self.jobs():
            subprocess.run(["scancel", *jobs], check=False, capture_output=True)
