"""From Kubernetes' devices (``nvidia.com/gpu: 2``) to sbatch's options for them (``--gres=gpu:2``).

Source: https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#extended-resources and
https://slurm.schedmd.com/gres.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sidecar.domain.flags import Flag
from sidecar.domain.pod import Container, ContainerRole, Resources
from sidecar.domain.resources import peak
from sidecar.errors import UnsupportedPod

COUNT = "{count}"
GPUS: Mapping[str, Flag] = {name: Flag("gres", f"gpu:{COUNT}") for name in ("nvidia.com/gpu", "amd.com/gpu")}
"""What holds unless the site says otherwise (``ExtendedResources``)."""

GPU_FLAGS = ("gres", "gpus", "gpus-per-node", "gpus-per-task", "gpus-per-socket")
_GPU_ITEMS = frozenset({"gpu", "mps", "shard"})
"""Generic resources that are GPUs or parts of them."""

_RUNTIME_OPTIONS = {"nvidia.com": "--nv", "amd.com": "--rocm"}


def check(devices: Mapping[str, int], mapping: Mapping[str, Flag], where: str) -> None:
    """Refuse what the site has no option for.

    :raises UnsupportedPod: with the key that would map it
    """
    for name in devices:
        if name not in mapping:
            raise UnsupportedPod(
                f"{where}: {name} is not available at this site; ExtendedResources in the sidecar's configuration "
                "would say what to ask Slurm for"
            )


def with_devices(
    flags: Sequence[Flag], devices: Mapping[str, int], mapping: Mapping[str, Flag]
) -> tuple[list[Flag], list[str]]:
    """Add what the devices need to flags that do not name them already, and say what is to be said about it.

    A flag of a flavor or of the pod that names the same thing counts as it is: it may know the type.
    """
    wanted: Counter[Flag] = Counter()
    for name, count in devices.items():
        wanted[mapping[name]] += count
    merged = list(flags)
    notes = []
    for template, count in wanted.items():
        names = [name for name in devices if mapping[name] == template]
        stated = _naming(flags, template)
        if stated is None:
            merged = _added(merged, Flag(template.name, (template.value or "").replace(COUNT, str(count))))
        elif (given := _counted(stated, template)) != count:
            notes.append(f"{' and '.join(names)}: {count} asked for, but {stated} counts, which asks for {given}")
        if len(names) > 1:
            notes.append(f"{' and '.join(names)} are both asked for as {template.value}: either kind may come")
    return merged, notes


def _naming(flags: Sequence[Flag], template: Flag) -> Flag | None:
    """The flag that already asks for what the template stands for."""
    return next((flag for flag in flags if _counted(flag, template) is not None), None)


def _counted(flag: Flag, template: Flag) -> int | None:
    """How many a flag asks for of what the template stands for; ``None`` where it does not speak of that."""
    kind = kind_of(template.value or "")
    items = (flag.value or "").split(",")
    if flag.name == template.name:
        same = _GPU_ITEMS if flag.name == "gres" and kind in _GPU_ITEMS else {kind}
        items = [item for item in items if kind_of(item) in same]
        return sum(map(_count, items)) if items else None
    if kind in _GPU_ITEMS and template.name == "gres" and flag.name in GPU_FLAGS:
        return sum(map(_count, items))
    return None


def _added(flags: Sequence[Flag], new: Flag) -> list[Flag]:
    """sbatch takes an option once, so a second item goes into the list that is there."""
    if not any(flag.name == new.name for flag in flags):
        return [*flags, new]
    return [Flag(flag.name, f"{flag.value},{new.value}") if flag.name == new.name else flag for flag in flags]


def kind_of(item: str) -> str:
    """``gpu`` of ``gpu:a100:2``."""
    return item.partition(":")[0]


def gpus_of(flags: Sequence[Flag]) -> int:
    """How many GPUs flags ask for: ``--gres=gpu:a100:2`` or ``--gpus=2``; 1 where they give no number."""
    for flag in flags:
        if flag.name in GPU_FLAGS:
            items = (flag.value or "").split(",")
            return sum(_count(item) for item in items if flag.name != "gres" or kind_of(item) == "gpu")
    return 0


def _count(item: str) -> int:
    last = item.rpartition(":")[2]
    return int(last) if last.isdigit() else 1


def whole_gpus(devices: Mapping[str, int]) -> int:
    """How many GPUs these are; parts of GPUs have resources of their own."""
    return sum(count for name, count in devices.items() if name in GPUS)


@dataclass(frozen=True, slots=True)
class GpuShare:
    """Which of the job's GPUs are a container's."""

    first: int
    count: int
    out_of: int
    """As many as the whole pod needs at one time."""


def gpu_shares(containers: Iterable[Container]) -> dict[str, GpuShare]:
    """Of each container that asks for devices, by its name: no GPU is given to two that run side by side."""
    everyone = list(containers)
    out_of = peak(everyone, _gpus_stated) or 0
    shares = {}
    first = 0
    for container in everyone:
        count = _gpus_stated(container.requests)
        if container.requests.devices:
            shares[container.name] = GpuShare(first, count, out_of)
        if container.role is not ContainerRole.INIT:
            first += count
    return shares


def _gpus_stated(stated: Resources) -> int:
    return whole_gpus(dict(stated.devices))


def runtime_options(devices: Mapping[str, int]) -> list[str]:
    """What shows a container the devices: https://apptainer.org/docs/user/latest/gpu.html."""
    vendors = {name.partition("/")[0] for name in devices}
    return [option for vendor, option in _RUNTIME_OPTIONS.items() if vendor in vendors]


def mapping_of(configured: Mapping[str, Flag]) -> Mapping[str, Flag]:
    """All mappings of a site."""
    return {**GPUS, **configured}


def counted(configured: Mapping[str, Flag], generic: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """How many of each device a cluster has, from what its nodes have by Slurm's names and types.

    A device whose option names no type has all types that no other device has to itself. What a site has configured
    is always told, so that none left is told as 0; ``amd.com/gpu`` only where it is configured.
    """
    mapping = {"nvidia.com/gpu": GPUS["nvidia.com/gpu"], **configured}
    taken = {_place(flag) for flag in mapping.values()}
    found: dict[str, int] = {}
    for name, flag in mapping.items():
        kind, type_ = _place(flag)
        of_kind = [place for place in generic if place[0] == kind]
        mine = [p for p in of_kind if (p == (kind, type_) if type_ else p not in taken or p == (kind, ""))]
        is_told = name in configured or (bool(mine) and flag not in configured.values())
        if flag.name == "gres" and is_told:
            found[name] = sum(generic[place] for place in mine)
    return found


def _place(flag: Flag) -> tuple[str, str]:
    """``("gpu", "a100")`` of ``--gres=gpu:a100:{count}``."""
    kind, *types = (flag.value or "").split(":")[:-1]
    return kind, ":".join(types)
