"""The supervisor's images with the real Apptainer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.pod_files.image_cache import cache_key, listed
from sidecar.runner.contract.layout import PodFiles
from sidecar.runner.node import image_config, sif
from sidecar.runner.node.images import ImageStore, Pulled
from sidecar.runner.runtimes import apptainer_pull
from sidecar.runner.system.event_loop import Loop
from tests import oci
from tests import registry as registries
from tests.registry import Registry

CONFIG: dict[str, Any] = {
    "Entrypoint": ["/bin/echo", "entry"],
    "Cmd": ["cmd"],
    "Env": ["PATH=/bin", 'QUOTED=a"q$(id`'],
    "WorkingDir": "/srv",
    "User": "1000:100",
}
WARM = """
import json, sys
from sidecar.runner.node.image_warm import warm
sys.exit(warm(json.load(sys.stdin)))
"""


class Apptainer:
    """What the supervisor's runtime says of pulls."""

    def pull_call(self, image: str, file: str, cache: str, login_file: str) -> tuple[list[str], dict[str, str]]:
        return apptainer_pull.pull_call("apptainer", image, file, cache, login_file)

    def settle(self, cache: str, file: str) -> None:
        apptainer_pull.settle(cache, file)


@pytest.fixture(scope="module")
def private(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registries.running(tmp_path_factory.mktemp("registry") / "private", private=True) as registry:
        yield registry


@pytest.fixture
def loop() -> Iterator[Loop]:
    yield Loop()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def fetch(loop: Loop, folder: Path, image: str, *, job: str = "1", login: str = "", policy: str = "Always") -> Pulled:
    for name in ("data", "private"):
        (folder / name).mkdir(exist_ok=True)
    site: Any = {"data_root": str(folder / "data"), "bash": "/bin/bash", "runtime_prefix": "APPTAINER_NOHTTPS=1"}
    container: Any = {
        "name": "main",
        "image": image,
        "image_keys": [cache_key(image)],
        "image_namespace": "",
        "login": login,
        "pull_policy": policy,
    }
    store = ImageStore(loop, site, job, PodFiles(str(folder / "data" / "pod")), str(folder / "private"), node="n1")
    pulled: Pulled = loop.run(store.fetch_once(container, Apptainer(), lambda: None))
    return pulled


def test_the_reader_agrees_with_apptainer(image: Path, tmp_path: Path) -> None:
    built = tmp_path / "built.sif"
    oci.build(built, image, CONFIG)
    config = image_config.read(str(built))

    assert config is not None
    assert config.env == [("PATH", "/bin"), ("QUOTED", 'a"q$(id`')]
    assert (config.entrypoint, config.cmd) == (["/bin/echo", "entry"], ["cmd"])
    assert (config.working_dir, config.user) == ("/srv", "1000:100")
    assert image_config.read(str(image)) is None
    assert image_config.wrong_architecture(str(built)) is None
    assert "and this node has riscv64" in str(image_config.wrong_architecture(str(built), "riscv64"))
    for file in (image, built):
        assert seen_by_us(file) == seen_by_apptainer(file)


def seen_by_us(file: Path) -> list[tuple[int, int, bytes]]:
    with sif.Sif(str(file)) as opened:
        objects = [(one, one.kind == sif.GENERIC_JSON) for one in opened.objects]
        return [(o.offset, o.offset + o.size, opened.read(o) if is_json else b"") for o, is_json in objects]


def seen_by_apptainer(file: Path) -> list[tuple[int, int, bytes]]:
    """By lines such as ``2 |1 |NONE |32216-36341 |JSON.Generic``."""
    found = []
    for line in apptainer("sif", "list", str(file)).decode().splitlines():
        fields = [field.strip() for field in line.split("|")]
        if fields[0].isdigit():
            start, end = map(int, fields[3].split("-"))
            data = apptainer("sif", "dump", fields[0], str(file)) if fields[4] == "JSON.Generic" else b""
            found.append((start, end, data))
    return found


def apptainer(*words: str) -> bytes:
    return subprocess.run(["apptainer", *words], check=True, capture_output=True).stdout


def test_a_fetched_image_shares_its_room_with_the_runtimes_cache(loop: Loop, private: Registry, tmp_path: Path) -> None:
    private.push("lab/tool", WorkingDir="/srv")
    image = f"docker://{private.host}/lab/tool:1"
    login = json.dumps(registries.login(private.host))
    refused = fetch(loop, tmp_path, image)
    pulled = fetch(loop, tmp_path, image, login=login)
    again = fetch(loop, tmp_path, image, login=login)

    assert "authentication required" in refused.words
    assert pulled.file, pulled.words
    assert again.file == pulled.file
    assert private.downloads("lab/tool") == 1
    assert Path(pulled.file).stat().st_nlink == 3, "the image, the runtime's copy and this job's name"
    config = image_config.read(pulled.file)
    assert config is not None
    assert config.working_dir == "/srv"


def test_only_the_newest_image_stays_in_the_runtimes_cache(loop: Loop, private: Registry, tmp_path: Path) -> None:
    image = f"docker://{private.host}/lab/moving:latest"
    login = json.dumps(registries.login(private.host))
    for version in ("1", "2"):
        private.push("lab/moving", "latest", Env=[f"VERSION={version}"])
        pulled = fetch(loop, tmp_path, image, login=login)

    config = image_config.read(pulled.file)
    assert config is not None
    assert config.env == [("VERSION", "2")]
    [cached] = listed(tmp_path / "data")
    assert len([path for path in cached.file.with_suffix(".cache").rglob("*") if path.is_file()]) == 1


def test_a_registry_that_does_not_answer_may_do_so_later(loop: Loop, tmp_path: Path) -> None:
    pulled = fetch(loop, tmp_path, "docker://127.0.0.1:1/lab/tool:1")

    assert "connection refused" in pulled.words
    assert pulled.may_pass


def warm(folder: Path, image: str, login: str = "") -> subprocess.CompletedProcess[str]:
    document = {
        "data_root": str(folder / "data"),
        "image": image,
        "key": cache_key(image),
        "namespace": "lab",
        "login": login,
        "runtime": "singularity",
        "runtime_program": "apptainer",
        "runtime_prefix": "APPTAINER_NOHTTPS=1",
        "bash": "/bin/bash",
    }
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TMPDIR": str(folder)}
    return subprocess.run(
        [sys.executable, "-B", "-c", WARM],
        input=json.dumps(document),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_warmed_image_is_there_for_a_job(loop: Loop, private: Registry, tmp_path: Path) -> None:
    private.push("lab/warm")
    image = f"docker://{private.host}/lab/warm:1"
    done = warm(tmp_path, image, json.dumps(registries.login(private.host)))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Creating SIF file" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert fetch(loop, tmp_path, image, policy="Never").file


def test_warming_says_why_an_image_cannot_be_had(private: Registry, tmp_path: Path) -> None:
    done = warm(tmp_path, f"docker://{private.host}/lab/warm:absent")

    assert done.returncode == 1
    assert "authentication required" in done.stdout
    assert not list((tmp_path / "data").rglob("*.part.*"))


def test_warming_needs_a_cache_that_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o500)
    done = warm(tmp_path, "docker://127.0.0.1:1/lab/tool:1")

    assert done.returncode == 1
    assert "cannot be written; run this as the user the jobs run as" in done.stdout
