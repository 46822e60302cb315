"""A real ssh server on this machine, run by the user who runs the tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.running import wait_until


@dataclass
class LoginNode:
    """It takes one key and opens no connection to anywhere: what it was asked for is in its log."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, folder: Path) -> LoginNode:
        folder.mkdir(parents=True)
        for name in ("host", "user"):
            key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(key, check=True, stdin=subprocess.DEVNULL)
        port = _free_port()
        settings = {
            "ListenAddress": "127.0.0.1",
            "Port": port,
            "HostKey": folder / "host",
            "AuthorizedKeysFile": folder / "user.pub",
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "PermitOpen": "none",
        }
        config = folder / "sshd_config"
        config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program, "these tests need sshd: apt-get install openssh-server"
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([program, "-D", "-e", "-f", str(config)], stdout=log, stderr=log)
        node = cls(folder, port, process)
        wait_until(lambda: "Server listening" in node.log)
        return node

    @property
    def words(self) -> tuple[str, ...]:
        """How ssh gets there, without anything in the user's home."""
        known = ("-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={self.folder / 'known'}")
        return ("-F", "none", "-p", str(self.port), "-i", str(self.folder / "user"), *known, "127.0.0.1")

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=10)


def _free_port() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def proxy_library() -> Path:
    """``libtsocks.so`` as the distribution's package has it."""
    found = [path for folder in ("/usr/lib", "/usr/lib64") for path in Path(folder).glob("**/libtsocks.so")]
    assert found, "these tests need libtsocks.so: apt-get install tsocks"
    return found[0]
