"""A real registry (Debian's docker-registry) on the loopback interface, and images for it, built without any tool."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests import oci

USER, PASSWORD = "robot", "s3cret"
_HTPASSWD = f"{USER}:$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n"
"""The password by bcrypt, the only form docker-registry takes."""


class Registry:
    """One docker-registry with its storage, and what it was asked for."""

    def __init__(self, folder: Path, *, private: bool = False) -> None:
        folder.mkdir()
        self.private = private
        self._log = folder / "registry.log"
        self._port = _free_port()
        self._config = folder / "registry.yml"
        lines = [
            "version: 0.1",
            "log: {level: error}",
            f"storage: {{filesystem: {{rootdirectory: {json.dumps(str(folder / 'storage'))}}}}}",
            f'http: {{addr: "{self.host}", secret: none}}',
        ]
        if private:
            (folder / "htpasswd").write_text(_HTPASSWD)
            lines.append(f"auth: {{htpasswd: {{realm: test, path: {json.dumps(str(folder / 'htpasswd'))}}}}}")
        self._config.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["docker-registry", "serve", str(self._config)], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        end = time.monotonic() + 30
        while not _answers(self._port):
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < end, "docker-registry does not answer"
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def calls(self, method: str, part: str) -> int:
        """How often something was asked for, after what :meth:`push` itself asked."""
        return sum(f'"{method} ' in line and part in line and "Python-urllib" not in line for line in self._lines())

    def downloads(self, image: str) -> int:
        """How often the image's layer was fetched: a name without its registry and tag."""
        return self.calls("GET", f"/v2/{image}/blobs/{oci.digest(_layer())}")

    def _lines(self) -> list[str]:
        return self._log.read_text(errors="replace").splitlines()

    def push(self, name: str, tag: str = "1", **config: object) -> str:
        """Store a busybox image.

        :param config: of the image, such as ``Env``, ``Entrypoint`` or ``Cmd``
        :returns: its digest
        """
        layer = _layer()
        about, manifest = oci.documents(layer, config)
        for blob in (layer, about):
            self._put_blob(name, blob)
        self._call("PUT", f"/v2/{name}/manifests/{tag}", manifest, {"Content-Type": oci.MANIFEST})
        return oci.digest(manifest)

    def _put_blob(self, name: str, blob: bytes) -> None:
        place = self._call("POST", f"/v2/{name}/blobs/uploads/", b"", {})
        path = place.partition(self.host)[2]
        kind = {"Content-Type": "application/octet-stream"}
        self._call("PUT", f"{path}{'&' if '?' in path else '?'}digest={oci.digest(blob)}", blob, kind)

    def _call(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> str:
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        request = urllib.request.Request(
            f"http://{self.host}{path}",
            data=body,
            method=method,
            headers={**headers, "Authorization": f"Basic {login}"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return str(answer.headers.get("Location", ""))


def login(host: str, password: str = PASSWORD) -> dict[str, dict[str, dict[str, str]]]:
    """The content of a ``.dockerconfigjson``."""
    return {"auths": {host: {"auth": base64.b64encode(f"{USER}:{password}".encode()).decode()}}}


@contextmanager
def running(folder: Path, *, private: bool = False) -> Iterator[Registry]:
    registry = Registry(folder, private=private)
    registry.start()
    try:
        yield registry
    finally:
        registry.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _layer() -> bytes:
    return oci.layer(Path(os.environ["SIDECAR_TEST_IMAGE"]))
