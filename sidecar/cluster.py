"""What the cluster has to offer, read now and then and answered from memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import msgspec
import structlog

from sidecar.domain import devices
from sidecar.domain.partitions import in_use
from sidecar.domain.plan import SitePolicy
from sidecar.errors import SlurmError
from sidecar.slurm.client import SlurmClient

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One kind of accelerator and how many there are."""

    resource_type: str
    available: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What the virtual node shall offer, as Kubernetes quantities; empty: leave the node as it is."""

    cpu: str = ""
    memory: str = ""
    pods: str = ""
    accelerators: tuple[Accelerator, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The last reading."""

    capacity: Capacity | None = None
    """``None`` before the first one succeeded."""
    text: str = ""
    """sinfo's own words."""
    read_at: datetime | None = None
    error: str = ""
    """Why the newest attempt failed; empty when it did not."""


class _ScriptAccelerator(msgspec.Struct, rename="camel"):
    resource_type: str
    available: int | str = 0


class _ScriptResources(msgspec.Struct):
    cpu: str | int = ""
    memory: str | int = ""
    pods: str | int = ""
    accelerators: list[_ScriptAccelerator] | None = None


class _ScriptAnswer(msgspec.Struct):
    resources: _ScriptResources = field(default_factory=_ScriptResources)


class Cluster:
    """The last known capacity."""

    def __init__(
        self,
        slurm: SlurmClient,
        *,
        policy: SitePolicy,
        max_pods: int | None,
        resource_script: Path | None,
        now: Callable[[], datetime],
    ) -> None:
        self._slurm = slurm
        self._devices = policy.extended_resources
        self._partitions = in_use(policy)
        self._pods = str(max_pods or "")
        self._resource_script = resource_script
        self._now = now
        self._lock = threading.Lock()
        self._snapshot = Snapshot()

    @property
    def snapshot(self) -> Snapshot:
        """The last reading, at once."""
        with self._lock:
            return self._snapshot

    def refresh(self) -> None:
        """Ask sinfo (and the site's own program, where there is one); a failure keeps the last values."""
        try:
            reading = self._slurm.sinfo(self._partitions)
            capacity = Capacity(
                cpu=str(reading.total_cpus),
                memory=f"{reading.memory_bytes // 1024**2}Mi",
                pods=self._pods,
                accelerators=tuple(
                    Accelerator(resource_type=name, available=count)
                    for name, count in devices.counted(self._devices, reading.generic).items()
                ),
            )
            if self._resource_script is not None:
                capacity = self._own_capacity(self._resource_script)
            fresh = Snapshot(capacity=capacity, text=reading.text, read_at=self._now())
        except (SlurmError, msgspec.DecodeError) as error:
            log.warning("cluster resources could not be read", reason=str(error))
            fresh = replace(self.snapshot, error=str(error))
        with self._lock:
            self._snapshot = fresh

    def _own_capacity(self, script: Path) -> Capacity:
        resources = msgspec.json.decode(self._slurm.output_of(str(script)), type=_ScriptAnswer).resources
        return Capacity(
            cpu=str(resources.cpu),
            memory=str(resources.memory),
            pods=str(resources.pods) or self._pods,
            accelerators=tuple(
                Accelerator(resource_type=a.resource_type, available=int(a.available))
                for a in resources.accelerators or []
            ),
        )
