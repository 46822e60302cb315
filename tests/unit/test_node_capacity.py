"""What the virtual node offers: the partitions that pods come to, and Kubernetes' names for Slurm's devices."""

from __future__ import annotations

import pytest

from sidecar.domain import devices
from sidecar.domain.flags import Flag
from sidecar.domain.partitions import Partitions, in_use
from sidecar.domain.plan import Flavor, SitePolicy

GPU = Flag("gres", "gpu:{count}")
A100 = Flag("gres", "gpu:a100:{count}")
MIG = Flag("gres", "gpu:1g.5gb:{count}")


def policy(default_flavor: str = "", **flavors: str) -> SitePolicy:
    return SitePolicy(
        flavors={name: Flavor(name=name, slurm_flags=tuple(flags.split())) for name, flags in flavors.items()},
        default_flavor=default_flavor,
    )


@pytest.mark.parametrize(
    ("site", "named", "default"),
    [
        (policy(), set(), True),
        (policy(gpu="-p gpu"), {"gpu"}, True),
        (policy("cpu", gpu="--partition=gpu,big", cpu="-p cpu"), {"gpu", "big", "cpu"}, False),
        (policy("cpu", gpu="--gres=gpu:1", cpu="-p cpu"), {"cpu"}, True),
        (policy("cpu", broken="--wrap=id", cpu="-p cpu"), {"cpu"}, False),
    ],
    ids=["no flavors", "a flavor", "all by flavors", "a flavor without a partition", "a flavor that cannot be had"],
)
def test_partitions_in_use_are_those_of_flavors_and_slurms_default(
    site: SitePolicy, named: set[str], default: bool
) -> None:
    assert in_use(site) == Partitions(named=frozenset(named), default=default)


@pytest.mark.parametrize(
    ("configured", "generic", "expected"),
    [
        ({}, {}, {}),
        ({}, {("gpu", ""): 8, ("fpga", ""): 1}, {"nvidia.com/gpu": 8}),
        ({}, {("gpu", "a100"): 4, ("gpu", "v100"): 2}, {"nvidia.com/gpu": 6}),
        ({}, {("gpu", "a100"): 0}, {"nvidia.com/gpu": 0}),
        (
            {"nvidia.com/mig-1g.5gb": MIG},
            {("gpu", "a100"): 4, ("gpu", "1g.5gb"): 7},
            {"nvidia.com/gpu": 4, "nvidia.com/mig-1g.5gb": 7},
        ),
        ({"nvidia.com/gpu": A100}, {("gpu", "a100"): 4, ("gpu", "v100"): 2}, {"nvidia.com/gpu": 4}),
        ({"amd.com/gpu": GPU}, {("gpu", ""): 8}, {"amd.com/gpu": 8}),
        ({"a.com/fpga": Flag("gres", "fpga:{count}")}, {}, {"a.com/fpga": 0}),
        ({"a.com/key": Flag("licenses", "key:{count}")}, {}, {}),
    ],
)
def test_devices_are_counted_under_kubernetes_names(
    configured: dict[str, Flag], generic: dict[tuple[str, str], int], expected: dict[str, int]
) -> None:
    assert devices.counted(configured, generic) == expected
