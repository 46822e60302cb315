"""Every manifest in ``examples/`` ends as it would on a kubelet: phase, exit codes, restarts and logs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import yaml

from tests.e2e.daemon import Daemon
from tests.e2e.python_image import make_python_image
from tests.virtual_kubelet.admission import Json
from tests.virtual_kubelet.kubelet import VirtualKubelet

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True)
class Run:
    """What one container comes to."""

    log: str = ""
    """All that its last run has printed; ``*`` stands for what differs from machine to machine."""
    code: int | None = 0
    """``None`` while it runs."""
    restarts: int = 0
    message: str = ""
    """A part of its termination message."""


@dataclass(frozen=True)
class End:
    """What a pod comes to."""

    phase: str
    containers: dict[str, Run]


def succeeded(**containers: Run) -> End:
    return End("Succeeded", {name.replace("_", "-"): run for name, run in containers.items()})


def failed(**containers: Run) -> End:
    return End("Failed", containers)


ENDS = {
    "claim": succeeded(write=Run(), main=Run("kept on the cluster\n")),
    "config-and-secret": succeeded(main=Run("good morning, admin\nthe password has 13 bytes\n")),
    "cronjob": succeeded(report=Run("a report\nsum 6\n")),
    "deadline": failed(main=Run("working\ntime is up\n", code=9)),
    "deployment": End("Running", {"server": Run(code=None)}),
    "downward-api": succeeded(
        main=Run('I am downward-api in default\napp="selfaware"\nstage="test"\n1 core\n'),
    ),
    "environment": succeeded(main=Run("postgres://db.example.org:5432/results $(NOWHERE) $(PORT) a  b it's $HOME\n")),
    "failing": failed(main=Run("this is going to fail\n", code=3)),
    "flavor": succeeded(main=Run("as the site has it\n")),
    "gpu": succeeded(main=Run("a GPU job has run\n")),
    "hello": succeeded(hello=Run("Hello, world!\nThis is *, and I am *.\n")),
    "host-aliases": succeeded(main=Run("worker\n192.0.2.7 license.example.org license\n")),
    "host-path": succeeded(main=Run("* entries\nread-only\n")),
    "init-containers": succeeded(first=Run(), second=Run(), main=Run("one\ntwo\n")),
    "job": succeeded(sum=Run("going on where the first attempt stopped\n", restarts=1)),
    "lifecycle": succeeded(helper=Run("preStop has run\n"), main=Run("postStart has run\n")),
    "liveness": succeeded(main=Run("the second attempt works\n", restarts=1)),
    "mpi": succeeded(main=Run("rank 0 was here\nrank 1 was here\n")),
    "projected": succeeded(main=Run('level = high\nteam="physics"\na token is there\n')),
    "python": succeeded(main=Run('{"name": "digits of pi", "mean": 3.875, "largest": 9}\n')),
    "restricted": succeeded(main=Run("not root\nthe image is read-only\n/tmp is not\n")),
    "retry": succeeded(main=Run("second attempt\n", restarts=1)),
    "shared-memory": succeeded(producer=Run(), consumer=Run("100000\ntmpfs\n")),
    "sidecar": succeeded(clock=Run(), main=Run("the sidecar has been here: 1 line\n")),
    "slurm-options": succeeded(main=Run("* cores are visible\n")),
    "sub-path": succeeded(prepare=Run(), main=Run("welcome to the cluster\nfrom b\nnote\n")),
    "termination-message": failed(
        writes=Run(code=4, message="input file 3 is broken"),
        logs=Run("reading\ndisk is full\n", code=5, message="disk is full"),
    ),
    "two-containers": succeeded(writer=Run(), reader=Run("from the writer\n")),
}


def test_every_example_is_run() -> None:
    assert set(ENDS) == {path.stem for path in EXAMPLES.glob("*.yaml")} - {"SlurmConfig"}


@pytest.fixture(scope="module")
def examples_vk(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualKubelet]:
    """A site that has what the examples speak of: images, a flavor, a claim on the cluster's file system."""
    root = tmp_path_factory.mktemp("examples")
    for folder in ("images", "results"):
        (root / folder).mkdir()
    (root / "images" / "busybox:stable").symlink_to(image)
    make_python_image(root / "images" / "python:3-slim")
    daemon = Daemon(
        root,
        root / "images" / "busybox:stable",
        EnableProbes=True,
        PersistentVolumeClaims={"results": str(root / "results")},
        Flavors={"default": {"Name": "default", "CPUDefault": 1, "SlurmFlags": ["--nice=10"]}},
    )
    daemon.start()
    yield daemon.kubelet()
    daemon.destroy()


@pytest.fixture(scope="module")
def pods(examples_vk: VirtualKubelet) -> dict[str, Json]:
    """The pods of all examples, started at once."""
    return {name: examples_vk.create_pod(*yaml.safe_load_all((EXAMPLES / f"{name}.yaml").read_text())) for name in ENDS}


@pytest.mark.parametrize("example", ENDS)
def test_an_example_ends_as_on_a_kubelet(examples_vk: VirtualKubelet, pods: dict[str, Json], example: str) -> None:
    name, end = pods[example]["metadata"]["name"], ENDS[example]

    examples_vk.wait_for(name, end.phase)

    runs = {container: seen(examples_vk, name, container, run) for container, run in end.containers.items()}
    assert runs == end.containers


def seen(vk: VirtualKubelet, pod: str, container: str, expected: Run) -> Run:
    """What kubectl shows of a container, in the words of what is expected where it fits them."""
    status, log = vk.container(pod, container), vk.logs(pod, container)
    ended = status["state"].get("terminated", {})
    message = ended.get("message", "")
    return Run(
        log=expected.log if fnmatchcase(log, expected.log) else log,
        code=ended.get("exitCode"),
        restarts=status["restartCount"],
        message=expected.message if expected.message in message else message,
    )
