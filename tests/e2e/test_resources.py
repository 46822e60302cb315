"""What Slurm allocates is what the pod asks for."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.daemon import Daemon
from tests.e2e.pods import a_container, a_pod
from tests.virtual_kubelet.admission import Json
from tests.virtual_kubelet.kubelet import VirtualKubelet

SETTINGS = {
    "ExtendedResources": {"amd.com/gpu": "--gres=gpu:{count}", "vendor.com/accelerator": "--gres=gpu:{count}"},
    "Flavors": {"two": {"SlurmFlags": ["--gres=gpu:2", "--partition short"]}},
}


def needs(name: str = "main", **resources: Json) -> Json:
    return a_container(name, resources=resources)


def limits(name: str = "main", **amounts: object) -> Json:
    return needs(name, limits={key.replace("_", "."): value for key, value in amounts.items()})


def visible(name: str, **resources: Json) -> Json:
    script = "echo $CUDA_VISIBLE_DEVICES $ROCR_VISIBLE_DEVICES"
    return a_container(name, script, resources=resources)


GPU = {"nvidia.com/gpu": 1}
PODS = {
    "nothing": (a_pod("nothing"), "cpu=1 mem=0 node=1"),
    "rounded-up": (a_pod("rounded-up", limits(cpu="1100m", memory="100.5Mi")), "cpu=2 mem=101M node=1"),
    "requests-alone": (
        a_pod("requests-alone", needs(requests={"cpu": 2, "memory": "64M"})),
        "cpu=2 mem=62M node=1",
    ),
    "sum": (
        a_pod("sum", limits("a", cpu="500m", memory="64Mi"), limits("b", cpu="2", memory="1Gi")),
        "cpu=3 mem=1088M node=1",
    ),
    "init": (
        a_pod("init", limits(cpu=1, memory="1Gi"), initContainers=[limits("first", cpu=5, memory="64Mi")]),
        "cpu=5 mem=1G node=1",
    ),
    "whole": (
        a_pod(
            "whole",
            needs(),
            resources={"limits": {"cpu": 3, "memory": "300Mi"}},
            overhead={"cpu": "1", "memory": "100Mi"},
        ),
        "cpu=4 mem=400M node=1",
    ),
    "gpus": (
        a_pod("gpus", visible("a", limits=GPU), visible("b", limits={"amd.com/gpu": 2}), visible("c")),
        "cpu=3 mem=0 node=1 gres/gpu=3",
    ),
    "device": (a_pod("device", needs(limits={"vendor.com/accelerator": "2"})), "cpu=1 mem=0 node=1 gres/gpu=2"),
    "flavor": (a_pod("flavor", needs(limits=GPU)), "cpu=1 mem=0 node=1 gres/gpu=2"),
    "flags": (
        a_pod("flags", needs(limits={"memory": "1Gi"}), flags="-N2 -n 2 -c=3 --mem 7 -G2"),
        "cpu=6 mem=1G node=2 gres/gpu=2",
    ),
}


@pytest.fixture(scope="module")
def kubelet(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualKubelet]:
    """All pods of the table, submitted at once."""
    daemon = Daemon(tmp_path_factory.mktemp("resources"), image, **SETTINGS)
    daemon.start()
    kubelet = daemon.kubelet()
    for pod, _ in PODS.values():
        kubelet.create_pod(pod)
    yield kubelet
    daemon.destroy()


def allocated(job_id: str) -> str:
    """What Slurm says it gave the job."""
    job = subprocess.run(["scontrol", "show", "job", "-o", job_id], check=True, capture_output=True, text=True).stdout
    fields = dict(re.findall(r"(\S+?)=(\S*)", job))
    tres = dict(item.split("=") for item in job.partition(" TRES=")[2].split()[0].split(","))
    gpus = f" gres/gpu={tres['gres/gpu']}" if "gres/gpu" in tres else ""
    return f"cpu={tres['cpu']} mem={fields.get('MinMemoryNode', '0')} node={tres['node']}{gpus}"


@pytest.mark.parametrize("name", PODS)
def test_slurm_allocates_what_the_pod_asks_for(kubelet: VirtualKubelet, name: str) -> None:
    kubelet.wait_for(name, "Succeeded")

    assert allocated(kubelet.job_id_of(name)) == PODS[name][1]


def test_containers_that_ask_for_gpus_are_told_which_ones_slurm_has_given_them(kubelet: VirtualKubelet) -> None:
    kubelet.wait_for("gpus", "Succeeded")

    words = {name: kubelet.logs("gpus", name).splitlines()[-1] for name in "abc"}
    a, b = (words[name].split() for name in "ab")
    assert a[0] == a[1]
    assert b[0] == b[1]
    assert len({*a[0].split(","), *b[0].split(",")}) == 3
    assert not words["c"]
