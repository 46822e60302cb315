"""From a pod and the site's policy to the plan of its one job."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from sidecar.domain import devices, enroot, images, users
from sidecar.domain import flags as sbatch_flags
from sidecar.domain import logins as registry_logins
from sidecar.domain.flags import Flag
from sidecar.domain.logins import Login
from sidecar.domain.plan import Flavor, JobPlan, PlannedContainer, SitePolicy
from sidecar.domain.pod import ClaimVolume, Container, ContainerRole, HostPathVolume, Pod, Resources
from sidecar.domain.resources import effective
from sidecar.errors import UnsupportedPod

_MEMORY_FLAGS = ("mem", "mem-per-cpu", "mem-per-gpu")
_MOUNTING = frozenset({"-B", "--bind", "--mount", "-H", "--home", "-o", "--overlay", "--fusemount", "-W", "--workdir"})
"""Options of Apptainer that show a container something of the node.

Source: https://apptainer.org/docs/user/latest/cli/apptainer_exec.html
"""
_WRITING = frozenset({"-o", "--overlay", "-w", "--writable", "--writable-tmpfs"})
"""Runtime options by which somebody has decided already whether the image's file system can be written."""
_MIB = 1024 * 1024


def plan(pod: Pod, policy: SitePolicy, *, token: str, site_logins: Sequence[Login] = ()) -> JobPlan:
    """Decide how a pod becomes a job.

    :param token: of this submission; part of the job's name unless the pod names the job
    :param site_logins: for the registries of images that none of the pod's own logins fits
    :raises UnsupportedPod: the pod asks for what the site does not allow or the sidecar cannot do
    """
    _check_policy(pod, policy)
    _check_devices(pod, policy)
    stated = effective(pod)
    flavor = _flavor(pod, stated, policy)
    flags = sbatch_flags.merge(
        [
            flavor_flags(flavor, policy) if flavor else [],
            sbatch_flags.parse(
                pod.options.flags, where="annotation slurm-job.vk.io/flags", extra=policy.extra_sbatch_options
            ),
            _stated_flags(stated),
        ]
    )
    defaults, notes = _default_flags(pod, policy, flavor, flags)
    all_flags, device_notes = devices.with_devices(
        [*flags, *defaults], dict(stated.devices), devices.mapping_of(policy.extended_resources)
    )
    name = sbatch_flags.value_of(all_flags, "job-name") or f"{pod.name}.{token}"
    return JobPlan(
        job_name=name,
        sbatch_options=tuple(str(flag) for flag in all_flags if flag.name != "job-name"),
        containers=tuple(_planned(container, pod, policy, site_logins) for container in pod.containers),
        requests=_requests(stated, all_flags),
        uid=users.choose(pod.run_as_user, pod.run_as_group, policy=policy.users, flavor=flavor, flavors=policy.flavors),
        notes=(*notes, *device_notes, *_mpi_notes(pod), *_login_notes(pod, policy)),
    )


def flavor_flags(flavor: Flavor, policy: SitePolicy) -> list[Flag]:
    """What a flavor asks of sbatch.

    :raises UnsupportedPod: it cannot be had
    """
    return sbatch_flags.parse(flavor.slurm_flags, where=f"flavor {flavor.name}", extra=policy.extra_sbatch_options)


def _check_devices(pod: Pod, policy: SitePolicy) -> None:
    mapping = devices.mapping_of(policy.extended_resources)
    for container in pod.containers:
        devices.check(dict(container.requests.devices), mapping, f"container {container.name}: resources")


def _check_policy(pod: Pod, policy: SitePolicy) -> None:
    shell_texts = {
        "annotation slurm-job.vk.io/pre-exec": pod.options.pre_exec,
        "annotation slurm-job.vk.io/singularity-commands": pod.options.runtime_commands,
        "annotation interlink.eu/wstunnel-client-commands": pod.options.tunnel_commands,
        "jobScript": pod.job_script,
    }
    for where, text in shell_texts.items():
        if text and not policy.allow_pre_exec:
            raise UnsupportedPod(f"{where}: this site does not allow it (AllowPreExec)")
    _check_runtime_annotations(pod, policy)
    if policy.runtime == "enroot":
        enroot.check(pod)
    for volume in pod.volumes:
        if isinstance(volume, HostPathVolume):
            _check_host_path(volume, policy)
    for container in pod.containers:
        _check_mounts(container, pod)


def _check_mounts(container: Container, pod: Pod) -> None:
    """The runtime makes a mount read-only, but not what the node has mounted below it."""
    for mount in container.mounts:
        if mount.recursively_read_only and isinstance(pod.by_volume[mount.volume], HostPathVolume | ClaimVolume):
            raise UnsupportedPod(
                f"container {container.name}: volumeMount {mount.volume}: recursiveReadOnly Enabled is not possible "
                "for paths of the node; use IfPossible"
            )


def _check_host_path(volume: HostPathVolume, policy: SitePolicy) -> None:
    """The first look, at the text alone; the job resolves symbolic links on the node and looks again."""
    _check_path(f"volume {volume.name}: hostPath {volume.path}", volume.path, policy)


def _check_path(where: str, path: str, policy: SitePolicy) -> None:
    if _is_below(path, policy.protected_paths) or _is_above(path, policy.protected_paths):
        raise UnsupportedPod(f"{where} holds the sidecar's own files and cannot be mounted")
    if policy.allowed_host_paths and not _is_below(path, policy.allowed_host_paths):
        allowed = ", ".join(policy.allowed_host_paths)
        raise UnsupportedPod(f"{where} is not allowed at this site; allowed are {allowed}")


def _check_runtime_annotations(pod: Pod, policy: SitePolicy) -> None:
    """What the pod tells the runtime opens no way around the rules for hostPath."""
    annotation = f"slurm-job.vk.io/{policy.runtime}"
    for word in pod.options.runtime_mounts:
        source = word.removeprefix("--bind=").split(":")[0]
        _check_path(f"annotation {annotation}-mounts: {source}", source, policy)
    options = enroot.MOUNTING if policy.runtime == "enroot" else _MOUNTING
    mounting = [word for word in pod.options.runtime_options if word.split("=")[0] in options or word[:2] in options]
    if mounting and (policy.allowed_host_paths or not policy.allow_pre_exec):
        raise UnsupportedPod(
            f"annotation {annotation}-options: {mounting[0]} is not allowed at this site; "
            f"use a hostPath volume or {annotation}-mounts"
        )


def _is_below(path: str, prefixes: Iterable[str]) -> bool:
    return any(path == p.rstrip("/") or path.startswith(p.rstrip("/") + "/") for p in prefixes)


def _is_above(path: str, prefixes: Iterable[str]) -> bool:
    return any(p.startswith(path.rstrip("/") + "/") for p in prefixes)


def _flavor(pod: Pod, stated: Resources, policy: SitePolicy) -> Flavor | None:
    wanted = pod.options.flavor
    if wanted:
        if wanted not in policy.flavors:
            known = ", ".join(sorted(policy.flavors)) or "none"
            raise UnsupportedPod(f"annotation slurm-job.vk.io/flavor: there is no flavor {wanted!r}; known: {known}")
        return policy.flavors[wanted]
    gpus = devices.whole_gpus(dict(stated.devices))
    fitting = _gpu_flavor(gpus, policy) if gpus else None
    return fitting or policy.flavors.get(policy.default_flavor)


def _gpu_flavor(gpus: int, policy: SitePolicy) -> Flavor | None:
    """The flavor whose ``--gres=gpu:N`` fits best: N as asked for, else the smallest larger one."""
    counted = [(devices.gpus_of(flavor_flags(flavor, policy)), name) for name, flavor in policy.flavors.items()]
    fitting = sorted((count, name) for count, name in counted if count >= gpus)
    return policy.flavors[fitting[0][1]] if fitting else None


def _stated_flags(stated: Resources) -> list[Flag]:
    flags = []
    if stated.cpu_millis is not None:
        flags.append(Flag("cpus-per-task", str(_cores(stated.cpu_millis))))
    if stated.memory_bytes is not None:
        flags.append(Flag("mem", f"{_mib(stated.memory_bytes)}M"))
    return flags


def _cores(millis: int) -> int:
    return max(1, math.ceil(millis / 1000))


def _mib(amount: int) -> int:
    return max(1, math.ceil(amount / _MIB))


def _default_flags(
    pod: Pod, policy: SitePolicy, flavor: Flavor | None, flags: list[Flag]
) -> tuple[list[Flag], tuple[str, ...]]:
    """What the flags leave open, and what the pod's history should say about it."""
    defaults = []
    notes = []
    if sbatch_flags.value_of(flags, "cpus-per-task") is None:
        beside_one_another = sum(c.role is not ContainerRole.INIT for c in pod.containers)
        cores = (flavor.cpu_default if flavor else None) or policy.default_cpu or beside_one_another
        defaults.append(Flag("cpus-per-task", str(cores)))
    if sbatch_flags.value_of(flags, *_MEMORY_FLAGS) is None:
        memory = (flavor.memory_default_bytes if flavor else None) or policy.default_memory_bytes
        if memory:
            defaults.append(Flag("mem", f"{_mib(memory)}M"))
        else:
            notes.append("no container states its memory: the partition's default applies")
    if pod.deadline_seconds is not None and sbatch_flags.value_of(flags, "time") is None:
        # Later than the job's own clock, which also leaves the containers their grace period.
        defaults.append(Flag("time", str(math.ceil((pod.deadline_seconds + pod.grace_seconds) / 60) + 1)))
    return defaults, tuple(notes)


def _requests(stated: Resources, flags: list[Flag]) -> Resources:
    """What is asked of Slurm, for the history."""
    cores = sbatch_flags.value_of(flags, "cpus-per-task")
    memory = re.fullmatch(r"(\d+)M", sbatch_flags.value_of(flags, "mem") or "")
    return Resources(
        cpu_millis=int(cores) * 1000 if cores and cores.isdigit() else stated.cpu_millis,
        memory_bytes=int(memory.group(1)) * _MIB if memory else stated.memory_bytes,
        ephemeral_bytes=stated.ephemeral_bytes,
        devices=stated.devices,
    )


def _planned(container: Container, pod: Pod, policy: SitePolicy, site_logins: Sequence[Login]) -> PlannedContainer:
    options = [*policy.runtime_options, *pod.options.runtime_options]
    if policy.runtime != "enroot":  # which finds NVIDIA's GPUs by itself, see docs/enroot.md
        options += [o for o in devices.runtime_options(dict(container.requests.devices)) if o not in options]
    image = images.resolve(container.image, image_root=pod.options.image_root, image_prefix=policy.image_prefix)
    return PlannedContainer(
        container=container,
        image=image,
        login=None
        if policy.runtime == "enroot"
        else registry_logins.choose(image, pod.logins) or registry_logins.choose(image, site_logins),
        runtime_options=tuple(options),
        is_writable=_is_writable(container, pod, policy, options),
    )


def _login_notes(pod: Pod, policy: SitePolicy) -> tuple[str, ...]:
    if policy.runtime != "enroot" or not pod.logins:
        return ()
    return ("spec.imagePullSecrets ignored: this site runs Enroot, which has logins of its own",)


def _mpi_notes(pod: Pod) -> tuple[str, ...]:
    if pod.options.mpi_flags is None or not (pod.names.aliases or pod.names.has_resolver):
        return ()
    return ("spec.hostAliases and spec.dnsConfig ignored with slurm-job.vk.io/mpi-flags",)


def _is_writable(container: Container, pod: Pod, policy: SitePolicy, options: Iterable[str]) -> bool:
    """Not with MPI, which starts the container several times, also on other nodes."""
    if container.read_only_root or not policy.writable_root or pod.options.mpi_flags is not None:
        return False
    if policy.runtime == "enroot":
        return True
    return not any(option.split("=")[0] in _WRITING for option in options)
