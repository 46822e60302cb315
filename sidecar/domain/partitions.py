"""Which of Slurm's partitions the pods of this site can come to."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.domain import flags as sbatch_flags
from sidecar.domain.plan import SitePolicy
from sidecar.domain.planning import flavor_flags
from sidecar.errors import UnsupportedPod


@dataclass(frozen=True, slots=True, kw_only=True)
class Partitions:
    """Some of the cluster's partitions."""

    named: frozenset[str] = frozenset()
    default: bool = True
    """Also the one that Slurm takes where a job names none."""


def in_use(policy: SitePolicy) -> Partitions:
    """Those that flavors name, and Slurm's default where some pod would name none.

    A pod's annotation can name any other; that is the exception, and no reason to offer the whole cluster.
    """
    named: set[str] = set()
    default = not policy.default_flavor
    for flavor in policy.flavors.values():
        try:
            flags = flavor_flags(flavor, policy)
        except UnsupportedPod:
            continue
        partitions = sbatch_flags.value_of(flags, "partition")
        named.update((partitions or "").split(","))
        default = default or not partitions
    return Partitions(named=frozenset(named - {""}), default=default)
