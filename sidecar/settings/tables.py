"""The settings that have keys of their own: ``Flavors``, ``ExtendedResources`` and ``Taints``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sidecar.domain.devices import COUNT
from sidecar.domain.flags import Flag
from sidecar.domain.plan import Flavor
from sidecar.settings import kinds
from sidecar.settings.document import Value
from sidecar.settings.reading import Kind, Reader, Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Taint:
    """A Kubernetes taint of the virtual node, sent with every ping."""

    key: str
    value: str
    effect: str
    """``NoSchedule``, ``PreferNoSchedule`` or ``NoExecute``."""


FLAVOR_KEYS = (
    Setting("Name", kinds.LINE, "What people call it; the key itself where it is missing."),
    Setting("Description", kinds.TEXT, "For people."),
    Setting("CPUDefault", kinds.CORES, "Cores of a pod that states none."),
    Setting("MemoryDefault", kinds.MEMORY, "Memory of a pod that states none."),
    Setting(
        "UID", kinds.UID, "User of the flavor's jobs; another than the daemon's own needs a daemon that runs as root."
    ),
    Setting("SlurmFlags", kinds.FLAGS, "sbatch options; a pod's own options win."),
)
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
"""Source: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/"""


def _effect(value: Value, _: Reader) -> str:
    text = value.text().strip()
    if text not in EFFECTS:
        raise value.must_be(" or ".join(EFFECTS))
    return text


_EFFECT = Kind("`NoSchedule`, `PreferNoSchedule` or `NoExecute`", _effect, "")
TAINT_KEYS = (
    Setting("Key", kinds.LINE, "The taint's key; required."),
    Setting("Value", kinds.LINE, "The taint's value."),
    Setting("Effect", _EFFECT, "What it does to pods that do not tolerate it; required."),
)


def _flavors(value: Value, reader: Reader) -> Mapping[str, Flavor]:
    entries = value.entries()
    flavors = reader.known(entries, [name for name, _ in entries])
    return {name: reader.read(_FLAVOR, flavor) or Flavor(name=name) for name, flavor in flavors.items()}


def _flavor(value: Value, reader: Reader) -> Flavor:
    names = [setting.key for setting in FLAVOR_KEYS]
    read = reader.table(reader.known(value.entries(), names), FLAVOR_KEYS)
    return Flavor(
        name=read["Name"] or value.name.partition(".")[2],
        description=read["Description"],
        cpu_default=read["CPUDefault"],
        memory_default_bytes=read["MemoryDefault"],
        uid=read["UID"],
        slurm_flags=read["SlurmFlags"],
    )


def _taints(value: Value, reader: Reader) -> tuple[Taint, ...]:
    return tuple(taint for item in value.items() if (taint := reader.read(_TAINT, item)))


def _taint(value: Value, reader: Reader) -> Taint:
    """The plugin writes ``Key``, Kubernetes writes ``key``: both are read."""
    entries = [(key.capitalize(), entry) for key, entry in value.entries()]
    read = reader.table(reader.known(entries, [setting.key for setting in TAINT_KEYS]), TAINT_KEYS)
    if missing := [key for key in ("Key", "Effect") if key not in dict(entries)]:
        raise value.problem(f"has no {' and no '.join(missing)}.")
    return Taint(key=read["Key"], value=read["Value"], effect=read["Effect"])


_DEVICE = re.compile(r"[a-z0-9][-a-z0-9.]*/[A-Za-z0-9][-A-Za-z0-9_.]*")
_DEVICE_OPTION = re.compile(r"--(gres|licenses)=([A-Za-z][^\s,]*)")


def _devices(value: Value, reader: Reader) -> Mapping[str, Flag]:
    entries = value.entries()
    devices = reader.known(entries, [name for name, _ in entries])
    read = {name: reader.read(_DEVICE_FLAG, _named(name, option)) for name, option in devices.items()}
    return {name: flag for name, flag in read.items() if flag}


def _named(name: str, value: Value) -> Value:
    if not _DEVICE.fullmatch(name):
        raise value.problem("is not the name of an extended resource, such as nvidia.com/mig-1g.5gb.")
    return value


def _device_flag(value: Value, _: Reader) -> Flag:
    match = _DEVICE_OPTION.fullmatch(value.text().strip())
    if match is None or match[2].count(COUNT) != 1 or "{" in match[2].replace(COUNT, ""):
        raise value.must_be(f"one item of --gres or --licenses with {COUNT}, such as --gres=gpu:1g.5gb:{COUNT}")
    return Flag(match[1], match[2])


_DEVICE_FLAG: Kind[Flag | None] = Kind("sbatch option", _device_flag, None)
DEVICES: Kind[Mapping[str, Flag]] = Kind("map of sbatch options", _devices, {})
_FLAVOR: Kind[Flavor | None] = Kind("flavor", _flavor, None)
_TAINT: Kind[Taint | None] = Kind("taint", _taint, None)
FLAVORS: Kind[Mapping[str, Flavor]] = Kind("map of flavors", _flavors, {})
TAINTS: Kind[tuple[Taint, ...]] = Kind("list of taints", _taints, ())
