"""From a pod and the site's policy to the plan of its job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from sidecar.domain.flags import Flag
from sidecar.domain.plan import Flavor, JobPlan, SitePolicy
from sidecar.domain.planning import plan
from sidecar.domain.pod import Container, ContainerRole, HostPathVolume, JobOptions, Pod, Resources
from sidecar.errors import UnsupportedPod
from tests.jobs import a_container, a_pod

GIB = 1024**3
NVIDIA = "nvidia.com/gpu"
AMD = "amd.com/gpu"
MIG = "nvidia.com/mig-1g.5gb"
FPGA = "vendor.com/fpga"
DEVICES = SitePolicy(
    extended_resources={
        MIG: Flag("gres", "gpu:1g.5gb:{count}"),
        FPGA: Flag("gres", "fpga:{count}"),
        "vendor.com/matlab": Flag("licenses", "matlab:{count}"),
    }
)


def asking(
    role: ContainerRole = ContainerRole.MAIN,
    name: str = "main",
    cpu_millis: int | None = None,
    memory_bytes: int | None = None,
    devices: Mapping[str, int] = MappingProxyType({}),
) -> Container:
    amounts = Resources(cpu_millis=cpu_millis, memory_bytes=memory_bytes, devices=tuple(devices.items()))
    return replace(a_container(name, "true", role=role), requests=amounts)


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
    assert planned(asking(devices={NVIDIA: gpus}), policy=GPU_FLAVORS).sbatch_options[0] == flag


def test_more_gpus_than_any_flavor_has_fall_back_to_the_default_flavor() -> None:
    job = planned(asking(devices={NVIDIA: 8}), policy=GPU_FLAVORS)

    assert job.sbatch_options == ("--partition=cpu", "--gres=scratch:9,gpu:8", "--cpus-per-task=1")


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        ((), ("--cpus-per-task=1", "--gres=gpu:2")),
        (("--gres=gpu:a100:2",), ("--gres=gpu:a100:2", "--cpus-per-task=1")),
        (("-G", "2"), ("--gpus=2", "--cpus-per-task=1")),
    ],
)
def test_gpus_are_asked_for_unless_a_flag_does(flags: tuple[str, ...], options: tuple[str, ...]) -> None:
    assert planned(asking(devices={NVIDIA: 2}), flags=flags).sbatch_options == options


@pytest.mark.parametrize(
    ("devices", "options"),
    [
        ({MIG: 2}, ("--gres=gpu:1g.5gb:2",)),
        ({NVIDIA: 1, FPGA: 3}, ("--gres=gpu:1,fpga:3",)),
        ({"vendor.com/matlab": 1, FPGA: 1}, ("--gres=fpga:1", "--licenses=matlab:1")),
        ({NVIDIA: 1, AMD: 2}, ("--gres=gpu:3",)),
    ],
)
def test_several_devices_go_into_one_list(devices: dict[str, int], options: tuple[str, ...]) -> None:
    job = planned(asking(devices=devices), policy=DEVICES)

    assert job.sbatch_options == ("--cpus-per-task=1", *options)
    assert job.requests.devices == tuple(sorted(devices.items()))


def test_where_a_site_maps_the_vendors_gpus_each_gets_its_type() -> None:
    policy = SitePolicy(
        extended_resources={NVIDIA: Flag("gres", "gpu:a100:{count}"), AMD: Flag("gres", "gpu:mi250:{count}")}
    )

    assert "--gres=gpu:mi250:2,gpu:a100:1" in planned(asking(devices={NVIDIA: 1, AMD: 2}), policy=policy).sbatch_options


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        (("--gres=fpga:x200:1",), ("--gres=fpga:x200:1,gpu:2",)),
        (("--gpus=2",), ("--gpus=2", "--gres=fpga:1")),
        (("--gres=tmp:5G",), ("--gres=tmp:5G,gpu:2,fpga:1",)),
        (("--gres=shard:2",), ("--gres=shard:2,fpga:1",)),
    ],
)
def test_a_flag_that_names_a_device_counts_and_the_others_are_added(
    flags: tuple[str, ...], options: tuple[str, ...]
) -> None:
    job = planned(asking(devices={FPGA: 1, NVIDIA: 2}), policy=DEVICES, flags=flags)

    assert [option for option in job.sbatch_options if "cpus-per-task" not in option] == list(options)


def notes_of(devices: dict[str, int], *flags: str) -> tuple[str, ...]:
    return planned(asking(devices=devices, memory_bytes=GIB), policy=DEVICES, flags=flags).notes


def test_a_flag_that_asks_for_another_number_is_noted() -> None:
    assert notes_of({NVIDIA: 4}, "--gres=gpu:a100:1") == (
        "nvidia.com/gpu: 4 asked for, but --gres=gpu:a100:1 counts, which asks for 1",
    )
    assert notes_of({NVIDIA: 1}, "--gres=gpu:a100:1") == ()
    assert notes_of({FPGA: 2}, "--gres=fpga:2") == ()
    assert notes_of({NVIDIA: 2}, "--gpus-per-node=2") == ()


def test_gpus_of_two_vendors_without_a_type_are_noted() -> None:
    assert notes_of({AMD: 1, NVIDIA: 1}) == (
        "amd.com/gpu and nvidia.com/gpu are both asked for as gpu:{count}: either kind may come",
    )


def test_a_device_without_a_mapping_is_refused_with_the_key_that_would_map_it() -> None:
    with pytest.raises(UnsupportedPod, match=r"^container main: resources: x\.com/y is not available .* ExtendedResou"):
        planned(asking(devices={"x.com/y": 1}))


def test_parts_of_gpus_do_not_choose_a_flavor() -> None:
    policy = replace(GPU_FLAVORS, extended_resources=DEVICES.extended_resources)

    assert "--gres=scratch:9,gpu:1g.5gb:1" in planned(asking(devices={MIG: 1}), policy=policy).sbatch_options


@pytest.mark.parametrize(
    ("devices", "options"),
    [
        ({"nvidia.com/gpu": 1}, ("--nv",)),
        ({"amd.com/gpu": 1}, ("--rocm",)),
        ({"nvidia.com/gpu": 1, "amd.com/gpu": 1}, ("--nv", "--rocm")),
        ({"nvidia.com/mig-1g.5gb": 1}, ("--nv",)),
        ({"vendor.com/fpga": 1}, ()),
    ],
)
def test_only_a_container_with_gpus_gets_the_runtimes_gpu_option(
    devices: dict[str, int], options: tuple[str, ...]
) -> None:
    with_gpu, without = planned(asking(devices=devices), asking(name="b"), policy=DEVICES).containers

    assert with_gpu.runtime_options == ("--no-eval", "--containall", *options)
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
    [
        ({"pre_exec": "module load x"}, "pre-exec"),
        ({"runtime_commands": "x"}, "singularity-commands"),
        ({"tunnel_commands": "x"}, "wstunnel-client-commands"),
    ],
)
def test_a_site_can_refuse_shell_text(options: dict[str, Any], name: str) -> None:
    assert planned(**options).containers
    with pytest.raises(UnsupportedPod, match=rf"/{name}: this site does not allow it \(AllowPreExec\)"):
        planned(policy=SitePolicy(allow_pre_exec=False), **options)


def test_a_site_that_refuses_shell_text_refuses_ready_made_scripts() -> None:
    pod = replace(a_pod(), job_script="#!/bin/sh")

    assert plan(pod, SitePolicy(), token="t").containers
    with pytest.raises(UnsupportedPod, match=r"^jobScript: this site does not allow it \(AllowPreExec\)"):
        plan(pod, SitePolicy(allow_pre_exec=False), token="t")


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
