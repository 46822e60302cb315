"""Images as a registry has them, made from the test image without a registry."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_KIND = "application/vnd.oci.image"
MANIFEST = f"{_KIND}.manifest.v1+json"
_FOLDERS = ("bin", "etc", "tmp", "srv", "srv/app", "open", "var")
_PROGRAMS = ("sh", "env", "cat", "ls", "pwd", "echo", "printf", "touch", "true", "id", "rm", "mkdir", "sleep")


def build(image: Path, busybox: Path, config: Mapping[str, Any]) -> None:
    """Make an image file with the configuration that a Dockerfile gives an image.

    :param busybox: an image file to take the program from
    :param config: such as ``{"Entrypoint": [...], "WorkingDir": "/srv"}``
    """
    layout = image.with_suffix(".oci")
    (layout / "blobs" / "sha256").mkdir(parents=True)
    packed = layer(busybox)
    whole, manifest = documents(packed, config)
    for content in (packed, whole, manifest):
        (layout / "blobs" / "sha256" / digest(content).partition(":")[2]).write_bytes(content)
    found = {"mediaType": MANIFEST, "digest": digest(manifest), "size": len(manifest)}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [found]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    subprocess.run(["apptainer", "--quiet", "pull", str(image), f"oci:{layout}"], check=True, capture_output=True)


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def documents(packed: bytes, config: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """The configuration and the manifest of an image with one layer."""
    whole = {
        "architecture": "amd64",
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [digest(packed)]},
    }
    text = json.dumps(whole).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": f"{_KIND}.config.v1+json", "digest": digest(text), "size": len(text)},
        "layers": [{"mediaType": f"{_KIND}.layer.v1.tar", "digest": digest(packed), "size": len(packed)}],
    }
    return text, json.dumps(manifest).encode()


@cache
def layer(busybox: Path) -> bytes:
    """A root with a static busybox, as a tar archive."""
    command = ["apptainer", "--silent", "exec", str(busybox), "cat", "/bin/busybox"]
    program = subprocess.run(command, check=True, capture_output=True).stdout
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in _FOLDERS:
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o777 if name in ("tmp", "open") else 0o755
            archive.addfile(folder)
        for name, text in (("etc/passwd", b"root:x:0:0::/root:/bin/sh\n"), ("etc/group", b"root:x:0:\n")):
            _add(archive, name, text, 0o644)
        _add(archive, "open/file", b"of the image\n", 0o666)
        _add(archive, "bin/busybox", program, 0o755)
        for name in _PROGRAMS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    file = tarfile.TarInfo(name)
    file.size, file.mode = len(content), mode
    archive.addfile(file, io.BytesIO(content))
