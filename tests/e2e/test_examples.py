"""Every manifest in ``examples/`` does what its first line says."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.virtual_kubelet.kubelet import VirtualKubelet

EXAMPLES = Path(__file__).parents[2] / "examples"
ENDS = {
    "config-and-secret": ("Succeeded", "good morning, admin\nthe password has 13 bytes\n"),
    "failing": ("Failed", "this is going to fail\n"),
    "hello": ("Succeeded", "Hello, world!\n"),
    "init-containers": ("Succeeded", "one\ntwo\n"),
    "retry": ("Succeeded", "second attempt\n"),
    "slurm-options": ("Succeeded", "cores are visible\n"),
    "two-containers": ("Succeeded", "from the writer\n"),
}
"""The phase in which each ends, and what its last container's log has."""


def test_every_example_is_run() -> None:
    manifests = {path.stem for path in EXAMPLES.glob("*.yaml")} - {"SlurmConfig"}

    assert manifests == set(ENDS)


@pytest.fixture(scope="module")
def submitted(vk: VirtualKubelet) -> dict[str, str]:
    """All examples at once: the container to read of each."""
    last = {}
    for name in ENDS:
        documents = list(yaml.safe_load_all((EXAMPLES / f"{name}.yaml").read_text()))
        vk.create_pod(*documents)
        last[name] = documents[-1]["spec"]["containers"][-1]["name"]
    return last


@pytest.mark.parametrize("name", ENDS)
def test_an_example_ends_as_it_says(vk: VirtualKubelet, submitted: dict[str, str], name: str) -> None:
    phase, words = ENDS[name]

    vk.wait_for(name, phase)
    assert words in vk.logs(name, submitted[name])
