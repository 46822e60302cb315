"""From a pod and the site's policy to the plan of its job."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sidecar.domain.plan import Flavor, JobPlan, SitePolicy
from sidecar.domain.planning import effective, plan
from sidecar.domain.pod import Container, ContainerRole, HostPathVolume, JobOptions, Pod, Resources
from sidecar.errors import UnsupportedPod
from tests.jobs import a_container, a_pod

GIB = 1024**3


def asking(role: ContainerRole = ContainerRole.MAIN, name: str = "main", **resources: Any) -> Container:
    return replace(a_container(name, "true", role=role), requests=Resources(**resources))


def planned(*containers: Container, policy: SitePolicy | None = None, **options: Any) -> JobPlan:
    return plan(a_pod(*containers, options=JobOptions(**options)), policy or SitePolicy(), token="c0ffee")


def with_flavors(*flavors: Flavor, **more: Any) -> SitePolicy:
    return SitePolicy(flavors={flavor.name: flavor for flavor in flavors}, **more)


def test_a_pod_that_states_nothing_gets_a_core_a_container_and_the_partitions_memory() -> None:
    job = planned(asking(name="a"), asking(name="b"))

    assert job.sbatch_options == ("--cpus-per-task=2",)
    assert job.notes == ("no container states its memory: the partition's default applies",)


@pytest.mark.parametrize(
    ("millis", "memory", "options"),
    [
        (1, 1, ("--cpus-per-task=1", "--mem=1M")),
        (1001, GIB, ("--cpus-per-task=2", "--mem=1024M")),
        (4000, GIB + 1, ("--cpus-per-task=4", "--mem=1025M")),
    ],
)
def test_resources_are_rounded_up_to_whole_cores_and_mebibytes(
    millis: int, memory: int, options: tuple[str, ...]
) -> None:
    assert planned(asking(cpu_millis=millis, memory_bytes=memory)).sbatch_options == options


def test_main_containers_add_up_and_init_containers_take_turns() -> None:
    init = ContainerRole.INIT
    containers = [
        asking(init, "i1", cpu_millis=5000, memory_bytes=1 * GIB),
        asking(init, "i2", cpu_millis=1000, memory_bytes=7 * GIB),
        asking(name="a", cpu_millis=1500, memory_bytes=2 * GIB, gpus=1),
        asking(name="b", cpu_millis=1500, memory_bytes=2 * GIB, gpus=2),
    ]

    assert effective(containers) == Resources(cpu_millis=5000, memory_bytes=7 * GIB, gpus=3)
    assert effective(containers[2:]) == Resources(cpu_millis=3000, memory_bytes=4 * GIB, gpus=3)


def test_beside_others_that_state_cores_a_silent_container_counts_one() -> None:
    assert effective([asking(name="a", cpu_millis=2000), asking(name="b")]).cpu_millis == 3000


def test_flavor_below_annotation_below_the_pods_own_resources() -> None:
    flavor = Flavor(name="big", slurm_flags=("--partition=big", "--time=60", "-c", "32", "--mem-per-cpu=4G"))

    job = planned(
        asking(cpu_millis=3000, memory_bytes=GIB), policy=with_flavors(flavor), flavor="big", flags=("-t", "10", "-H")
    )

    assert job.sbatch_options == ("--partition=big", "--time=10", "--hold", "--cpus-per-task=3", "--mem=1024M")


def test_a_flavors_defaults_hold_where_the_pod_states_nothing() -> None:
    flavor = Flavor(name="small", cpu_default=4, memory_default_bytes=2 * GIB)
    policy = with_flavors(flavor, default_flavor="small", default_cpu=9, default_memory_bytes=GIB)

    assert planned(policy=policy).sbatch_options == ("--cpus-per-task=4", "--mem=2048M")
    stated = asking(cpu_millis=1000, memory_bytes=GIB)
    assert planned(stated, policy=policy).sbatch_options == ("--cpus-per-task=1", "--mem=1024M")


def test_the_sites_defaults_hold_where_neither_pod_nor_flavor_states_anything() -> None:
    job = planned(policy=SitePolicy(default_cpu=3, default_memory_bytes=GIB))

    assert job.sbatch_options == ("--cpus-per-task=3", "--mem=1024M")
    assert job.requests == Resources(cpu_millis=3000, memory_bytes=GIB)


def test_a_memory_flag_of_any_kind_is_enough() -> None:
    assert planned(flags=("--mem-per-gpu=8G",), policy=SitePolicy(default_memory_bytes=GIB)).sbatch_options == (
        "--mem-per-gpu=8G",
        "--cpus-per-task=1",
    )


def test_an_unknown_flavor_is_told_with_those_there_are() -> None:
    with pytest.raises(UnsupportedPod, match=r"no flavor 'huge'; known: big, small$"):
        planned(policy=with_flavors(Flavor(name="small"), Flavor(name="big")), flavor="huge")


GPU_FLAVORS = with_flavors(
    Flavor(name="cpu", slurm_flags=("--partition=cpu", "--gres=scratch:9")),
    Flavor(name="one", slurm_flags=("--gres=gpu",)),
    Flavor(name="two", slurm_flags=("--gpus=a100:2",)),
    Flavor(name="four", slurm_flags=("--gres=scratch:1,gpu:a100:4",)),
    default_flavor="cpu",
)


@pytest.mark.parametrize(
    ("gpus", "flag"),
    [(1, "--gres=gpu"), (2, "--gpus=a100:2"), (3, "--gres=scratch:1,gpu:a100:4"), (4, "--gres=scratch:1,gpu:a100:4")],
)
def test_a_pod_with_gpus_takes_the_flavor_that_fits_best(gpus: int, flag: str) -> None:
    assert planned(asking(gpus=gpus, gpu_vendor="nvidia.com"), policy=GPU_FLAVORS).sbatch_options[0] == flag


def test_more_gpus_than_any_flavor_has_fall_back_to_the_default_flavor() -> None:
    job = planned(asking(gpus=8), policy=GPU_FLAVORS)

    assert job.sbatch_options[0] == "--partition=cpu"


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        ((), ("--cpus-per-task=1", "--gres=gpu:2")),
        (("--gres=gpu:a100:2",), ("--gres=gpu:a100:2", "--cpus-per-task=1")),
        (("-G", "2"), ("--gpus=2", "--cpus-per-task=1")),
    ],
)
def test_gpus_are_asked_for_unless_a_flag_does(flags: tuple[str, ...], options: tuple[str, ...]) -> None:
    assert planned(asking(gpus=2, gpu_vendor="nvidia.com"), flags=flags).sbatch_options == options


@pytest.mark.parametrize(("vendor", "option"), [("nvidia.com", "--nv"), ("amd.com", "--rocm")])
def test_only_a_container_with_gpus_gets_the_runtimes_gpu_option(vendor: str, option: str) -> None:
    with_gpu, without = planned(asking(gpus=1, gpu_vendor=vendor), asking(name="b")).containers

    assert with_gpu.runtime_options == ("--no-eval", "--containall", option)
    assert without.runtime_options == ("--no-eval", "--containall")


def test_the_runtimes_options_are_the_sites_then_the_pods() -> None:
    job = planned(policy=SitePolicy(runtime_options=("--nv",)), runtime_options=("--writable-tmpfs",))

    assert job.containers[0].runtime_options == ("--nv", "--writable-tmpfs")


def test_the_job_is_named_after_pod_and_token_unless_the_pod_names_it() -> None:
    assert planned().job_name == "demo.c0ffee"
    named = planned(flags=("-J", "mine"))
    assert named.job_name == "mine"
    assert not [option for option in named.sbatch_options if "job-name" in option]


def with_host_path(path: str) -> Pod:
    return a_pod(volumes=(HostPathVolume(name="data", path=path),))


@pytest.mark.parametrize("path", ["/srv/jobs", "/srv/jobs/lab-x", "/srv", "/", "/etc/s.yaml"])
def test_nothing_that_holds_the_sidecars_own_files_can_be_mounted(path: str) -> None:
    with pytest.raises(UnsupportedPod, match="sidecar's own files"):
        plan(with_host_path(path), SitePolicy(protected_paths=("/srv/jobs", "/etc/s.yaml")), token="t")


@pytest.mark.parametrize(("path", "allowed"), [("/data", True), ("/data/x", True), ("/database", False), ("/", False)])
def test_allowed_host_paths_are_whole_prefixes(path: str, allowed: bool) -> None:
    policy = SitePolicy(allowed_host_paths=("/data/",))
    if allowed:
        assert plan(with_host_path(path), policy, token="t").containers
        return
    with pytest.raises(UnsupportedPod, match=r"not allowed at this site; allowed are /data/$"):
        plan(with_host_path(path), policy, token="t")


@pytest.mark.parametrize(
    ("options", "name"),
    [({"pre_exec": "module load x"}, "pre-exec"), ({"runtime_commands": "x"}, "singularity-commands")],
)
def test_a_site_can_refuse_shell_text(options: dict[str, Any], name: str) -> None:
    assert planned(**options).containers
    with pytest.raises(UnsupportedPod, match=rf"vk.io/{name}: this site does not allow it \(AllowPreExec\)"):
        planned(policy=SitePolicy(allow_pre_exec=False), **options)


@pytest.mark.parametrize(
    "options",
    [
        {"runtime_mounts": ("--bind=/data/jobs/other:/x",)},
        {"runtime_mounts": ("--bind=/etc",)},
        {"runtime_options": ("--bind", "/etc:/x")},
        {"runtime_options": ("-B/etc",)},
    ],
)
def test_runtime_annotations_open_no_way_around_the_rules_for_host_paths(options: dict[str, Any]) -> None:
    policy = SitePolicy(protected_paths=("/data/jobs",), allowed_host_paths=("/scratch", "/data/jobs"))

    with pytest.raises(UnsupportedPod, match="singularity-"):
        planned(asking(), policy=policy, **options)
