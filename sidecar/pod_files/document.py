"""From a pod, its plan and the site to ``pod.json``: everything that the job's supervisor needs to know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sidecar.domain import devices, logins
from sidecar.domain.health import Action, ExecAction, GrpcAction, HttpAction, Probe, SleepAction, TcpAction
from sidecar.domain.plan import JobPlan, PlannedContainer
from sidecar.domain.pod import ClaimVolume, Container, EmptyDirVolume, FilesVolume, HostPathVolume, Mount, Pod, Volume
from sidecar.domain.shell_text import as_lines
from sidecar.errors import UnsupportedPod
from sidecar.pod_files import image_cache, limits
from sidecar.pod_files.request_target import request_target
from sidecar.pod_files.site import JobSite
from sidecar.runner.contract import pod_document

if TYPE_CHECKING:
    from sidecar.runner.contract.pod_document import (
        ActionDocument,
        ContainerDocument,
        MountDocument,
        NamesDocument,
        PodDocument,
        ProbeDocument,
        SiteDocument,
        VolumeDocument,
    )

_MESH_MARK = "> $TMPDIR/mesh.sh"
"""Where a pre-exec text of interLink's full-mesh mode writes its script."""
_READ_ONLY_NAMES = frozenset({"APPTAINER_NAME", "APPTAINER_CONTAINER", "APPTAINER_INSTANCE"})
"""Apptainer's own shell refuses to have these changed."""


def pod_document_of(pod: Pod, plan: JobPlan, site: JobSite) -> PodDocument:
    """The document of one pod.

    :raises UnsupportedPod: with the name of what no process can be given, never its value
    """
    shares = devices.gpu_shares([planned.container for planned in plan.containers])
    return {
        "version": pod_document.VERSION,
        "namespace": pod.namespace,
        "name": pod.name,
        "uid": pod.uid,
        "restart_policy": pod.restart_policy.value,
        "grace_seconds": pod.grace_seconds,
        "deadline_seconds": pod.deadline_seconds,
        "pod_ip": pod.options.pod_ip,
        "mpi": None if pod.options.mpi_flags is None else list(pod.options.mpi_flags),
        "runtime_commands": pod.options.runtime_commands,
        "in_mesh": is_in_mesh(pod),
        "has_shell_text": has_shell_text(pod, site),
        "tunnel_commands": _script(pod.options.tunnel_commands, "tunnel commands"),
        "job_script": _script(pod.job_script, "jobScript"),
        "names": _names(pod),
        "volumes": [_volume(volume) for volume in pod.volumes],
        "containers": [
            _container(planned, pod, shares.get(planned.container.name), site) for planned in plan.containers
        ],
        "site": _site(site),
        "backoff": {"first": 10, "longest": 300, "reset_after": 600},
    }


def is_in_mesh(pod: Pod) -> bool:
    """Whether the containers run inside of interLink's mesh.sh, which the pre-exec text writes."""
    return _MESH_MARK in pod.options.pre_exec


def has_shell_text(pod: Pod, site: JobSite) -> bool:
    """Whether text of the site's or the pod's runs before the containers."""
    options = pod.options
    return bool(site.command_prefix or site.tsocks_library or options.tunnel_commands or options.pre_exec)


def _script(text: str, where: str) -> str:
    return _checked(text, where) if text else ""


def _site(site: JobSite) -> SiteDocument:
    return {
        "data_root": str(site.data_root),
        "shared_fs": site.shared_fs,
        "bash": site.bash_path,
        "runtime": site.runtime,
        "runtime_program": site.runtime_program,
        "runtime_prefix": as_lines(site.runtime_prefix),
        "allowed_paths": list(site.allowed_host_paths),
        "protected_paths": list(site.protected_paths),
        "max_restarts": site.most_restarts,
        "tsocks_library": site.tsocks_library,
        "tsocks_login": list(site.tsocks_login),
        "log_max_bytes": site.log_max_bytes,
        "log_max_files": site.log_max_files,
    }


def _names(pod: Pod) -> NamesDocument:
    names = pod.names
    return {
        "hostname": "" if pod.options.mpi_flags is not None else names.hostname,
        "fqdn": names.fqdn,
        "aliases": [list(alias) for alias in names.aliases],
        "resolver": "none" if not names.has_resolver else "own" if names.resolver_is_own else "more",
        "nameservers": list(names.nameservers),
        "searches": list(names.searches),
        "resolver_options": list(names.resolver_options),
    }


def _volume(volume: Volume) -> VolumeDocument:
    kind, path, type_ = "files", "", ""
    match volume:
        case EmptyDirVolume():
            kind = "memory" if volume.in_memory else "disk"
        case ClaimVolume():
            kind, path = "claim", volume.path
        case HostPathVolume():
            kind, path, type_ = "host", volume.path, volume.type
    return {"name": volume.name, "kind": kind, "path": path, "type": type_}


def _container(planned: PlannedContainer, pod: Pod, gpus: devices.GpuShare | None, site: JobSite) -> ContainerDocument:
    container = planned.container
    limits.check(container)
    where = f"container {container.name}"
    return {
        "name": container.name,
        "role": container.role.value,
        "image": planned.image,
        "image_keys": image_cache.cache_keys(planned, pod.namespace),
        "image_namespace": pod.namespace if planned.login else "",
        "login": logins.as_config(planned.login, planned.image).decode() if planned.login else "",
        "pull_policy": container.pull_policy.value,
        "command": [_checked(word, f"{where}: command") for word in container.command],
        "args": [_checked(word, f"{where}: args") for word in container.args],
        "env": [list(pair) for pair in _environment(container, where, site.runtime)],
        "working_dir": container.working_dir,
        "runtime_options": [*planned.runtime_options, *pod.options.runtime_mounts],
        "writable": planned.is_writable,
        "stop_signal": container.stop_signal,
        "message_path": container.termination_message_path,
        "message_from_log": container.termination_message_from_log,
        "mounts": [_mount(mount, pod.by_volume[mount.volume]) for mount in container.mounts],
        "startup": _probe(container.startup),
        "liveness": _probe(container.liveness),
        "readiness": _probe(container.readiness),
        "post_start": _action(container.post_start),
        "pre_stop": _action(container.pre_stop),
        "gpus": None if gpus is None else {"first": gpus.first, "count": gpus.count, "out_of": gpus.out_of},
    }


def _environment(container: Container, where: str, runtime: str) -> Iterator[tuple[str, str]]:
    for name, value in container.env:
        variable = f"{where}: environment variable {name.encode(errors='backslashreplace').decode()}"
        if "=" in name or not name:
            raise UnsupportedPod(f"{variable}: no process can be given a variable with this name")
        if name in _READ_ONLY_NAMES and runtime != "enroot":
            raise UnsupportedPod(f"{variable}: Apptainer sets it itself and lets nobody change it; use another name")
        yield _checked(name, variable), _checked(value, variable)


def _checked(text: str, where: str) -> str:
    """The text, if a process can be given it; what stands for something of the node counts as nothing."""
    plain = pod_document.with_node_facts(text, dict.fromkeys(pod_document.NODE_FACTS, ""))
    if "\0" in plain or not _is_encodable(plain):
        raise UnsupportedPod(f"{where} holds a character that no process can be given (NUL or half a pair)")
    return text


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _mount(mount: Mount, volume: Volume) -> MountDocument:
    is_read_only = (
        mount.read_only or isinstance(volume, FilesVolume) or (isinstance(volume, ClaimVolume) and volume.read_only)
    )
    return {"volume": mount.volume, "path": mount.path, "read_only": is_read_only, "sub_path": mount.sub_path}


def _probe(probe: Probe | None) -> ProbeDocument | None:
    if probe is None:
        return None
    action = _action(probe.action)
    assert action is not None
    return {
        "action": action,
        "initial_delay_seconds": probe.initial_delay_seconds,
        "period_seconds": probe.period_seconds,
        "timeout_seconds": probe.timeout_seconds,
        "success_threshold": probe.success_threshold,
        "failure_threshold": probe.failure_threshold,
        "grace_seconds": probe.grace_seconds,
    }


def _action(action: Action | None) -> ActionDocument | None:
    match action:
        case ExecAction(command=command):
            return {"kind": "exec", "command": list(command)}
        case HttpAction():
            return {
                "kind": "http",
                "scheme": action.scheme,
                "host": action.host,
                "port": action.port,
                "path": request_target(action.path),
                "headers": [list(header) for header in action.headers],
            }
        case TcpAction():
            return {"kind": "tcp", "host": action.host, "port": action.port}
        case GrpcAction():
            return {"kind": "grpc", "port": action.port, "service": action.service, "tls": action.tls}
        case SleepAction():
            return {"kind": "sleep", "seconds": action.seconds}
        case None:
            return None
