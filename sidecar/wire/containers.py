"""One container of a request, with Kubernetes' defaults applied."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec.structs import fields

from sidecar.domain import pod as domain
from sidecar.domain.downward import Downward
from sidecar.domain.expand import expand, missing, replace
from sidecar.domain.images import default_pull_policy
from sidecar.errors import MalformedRequest, UnsupportedPod
from sidecar.wire import kubernetes as kube
from sidecar.wire import lifecycle, resources
from sidecar.wire.downward import is_of_node

_DEV_FILE = re.compile(r"/dev/[A-Za-z0-9_-][A-Za-z0-9._-]*")

_UNRESOLVED = "has arrived unresolved; interLink resolves it before it gets here"


def read_container(
    container: kube.Container, role: domain.ContainerRole, downward: Downward, *, with_probes: bool
) -> domain.Container:
    """Check and convert one container.

    :param downward: what ``valueFrom.fieldRef`` may refer to
    :param with_probes: whether the site honours probes
    :raises UnsupportedPod: a field of the container cannot be honoured
    """
    if container.env_from:
        raise UnsupportedPod(f"container {container.name}: envFrom {_UNRESOLVED}")
    values = _variables(container, downward)
    where = f"container {container.name}"
    ports = {port.name: port.container_port for port in container.ports or [] if port.name}
    hooks = container.lifecycle or kube.Lifecycle()
    probes = container if with_probes else kube.Container(container.name)
    return domain.Container(
        name=container.name,
        role=role,
        image=container.image,
        command=_words(container.command or [], values, f"{where}: command"),
        args=_words(container.args or [], values, f"{where}: args"),
        env=tuple(values.items()),
        working_dir=_absolute(container.working_dir or "", f"container {container.name}: workingDir"),
        mounts=tuple(_mount(mount, container.name, values) for mount in container.volume_mounts or []),
        requests=resources.of_container(container),
        pull_policy=_pull_policy(container),
        read_only_root=_is_read_only(container.security_context),
        startup=lifecycle.probe(probes.startup_probe, f"{where}: startupProbe", ports),
        liveness=lifecycle.probe(probes.liveness_probe, f"{where}: livenessProbe", ports),
        readiness=lifecycle.probe(probes.readiness_probe, f"{where}: readinessProbe", ports),
        post_start=lifecycle.hook(hooks.post_start, f"{where}: lifecycle.postStart", ports),
        pre_stop=lifecycle.hook(hooks.pre_stop, f"{where}: lifecycle.preStop", ports),
        stop_signal=lifecycle.stop_signal(hooks.stop_signal, f"{where}: lifecycle"),
        termination_message_path=_message_path(container.termination_message_path, where),
        termination_message_from_log=_takes_log(container.termination_message_policy, where),
    )


def _variables(container: kube.Container, downward: Downward) -> dict[str, str]:
    """A container's variables, which stay as they are: the virtual kubelet has expanded what was to be expanded, and a
    secret may well contain "$$". It could not expand what it has left for the sidecar to find out.
    """
    values = {var.name: _value(var, container.name, downward) for var in container.env or []}
    late = {var.name: values[var.name] for var in container.env or [] if var.value is None and var.value_from}
    if not late:
        return values
    return {name: value if name in late else replace(value, late) for name, value in values.items()}


def _words(words: Sequence[str], values: Mapping[str, str], where: str) -> tuple[str, ...]:
    if any("\0" in word for word in words):
        raise UnsupportedPod(f"{where} holds a character that no process can be given (NUL)")
    return tuple(expand(word, values) for word in words)


def _value(var: kube.EnvVar, container: str, downward: Downward) -> str:
    """A variable's plain value; interLink has resolved all references but, by its configuration, the pod's own."""
    where = f"container {container}: env {var.name}"
    if not var.name or "=" in var.name or "\0" in var.name:
        raise MalformedRequest(f"{where}: the name of a variable cannot be empty or contain = or NUL")
    if "\0" in (var.value or ""):
        raise MalformedRequest(f"{where}: a value cannot contain NUL")
    source = var.value_from
    if var.value is not None or source is None:
        return var.value or ""
    if source.field_ref:
        value = downward.field(source.field_ref.field_path, where)
        if "\0" in value and not is_of_node(value):
            raise MalformedRequest(f"{where}: a value cannot contain NUL")
        return value
    if ref := source.resource_field_ref:
        return downward.resource(ref.resource, ref.container_name or container, str(ref.divisor), where)
    kind = ".".join(["valueFrom", *(f.encode_name for f in fields(source) if getattr(source, f.name) is not None)])
    raise UnsupportedPod(f"{where}: {kind} {_UNRESOLVED}")


def _message_path(path: str | None, where: str) -> str:
    """A directory of the node's devices holds nothing but the default file."""
    path = _absolute(path or "", f"{where}: terminationMessagePath") or "/dev/termination-log"
    if path.startswith("/dev/") and not _DEV_FILE.fullmatch(path):
        raise UnsupportedPod(f"{where}: terminationMessagePath: below /dev, only a plain file name is possible")
    if "/../" in f"{path}/":
        raise UnsupportedPod(f"{where}: terminationMessagePath: must be without ..")
    return path


def _takes_log(policy: str | None, where: str) -> bool:
    if policy not in (None, "", "File", "FallbackToLogsOnError"):
        raise MalformedRequest(f"{where}: terminationMessagePolicy: expected File or FallbackToLogsOnError")
    return policy == "FallbackToLogsOnError"


def _absolute(path: str, where: str) -> str:
    if path and (not path.startswith("/") or "\n" in path or "\0" in path):
        raise UnsupportedPod(f"{where}: {path!r} is not an absolute path")
    return path


def _mount(mount: kube.VolumeMount, container: str, values: Mapping[str, str]) -> domain.Mount:
    where = f"container {container}: volumeMount {mount.name}"
    if not mount.mount_path or ":" in mount.mount_path:
        raise UnsupportedPod(f"{where}: mountPath must be an absolute path without a colon")
    return domain.Mount(
        volume=mount.name,
        path=_absolute(mount.mount_path, f"{where}: mountPath"),
        read_only=bool(mount.read_only),
        recursively_read_only=_recursively_read_only(mount, where),
        sub_path=_sub_path(mount, where, values),
    )


def _recursively_read_only(mount: kube.VolumeMount, where: str) -> bool:
    """Source: https://kubernetes.io/docs/concepts/storage/volumes/#recursive-read-only-mounts"""
    if mount.recursive_read_only not in (None, "", "Disabled", "IfPossible", "Enabled"):
        raise MalformedRequest(f"{where}: recursiveReadOnly: expected Disabled, IfPossible or Enabled")
    if mount.recursive_read_only == "Enabled" and not mount.read_only:
        raise MalformedRequest(f"{where}: recursiveReadOnly needs readOnly: true")
    return mount.recursive_read_only == "Enabled"


def _sub_path(mount: kube.VolumeMount, where: str, values: Mapping[str, str]) -> str:
    name, path = "subPath", mount.sub_path or ""
    if mount.sub_path_expr:
        if path:
            raise MalformedRequest(f"{where}: has both subPath and subPathExpr; keep one of them")
        name, path = "subPathExpr", expand(mount.sub_path_expr, values)
        if unknown := missing(mount.sub_path_expr, values):
            raise UnsupportedPod(f"{where}: subPathExpr: the container has no variable {unknown[0]}")
    is_unclear = "\0" in (mount.sub_path or "") + (mount.sub_path_expr or "")
    if path.startswith("/") or ".." in path.split("/") or "\n" in path or is_unclear:
        raise UnsupportedPod(f"{where}: {name} must be a relative path without ..")
    return path


def _is_read_only(context: kube.SecurityContext | None) -> bool:
    return context is not None and bool(context.read_only_root_filesystem)


def _pull_policy(container: kube.Container) -> domain.PullPolicy:
    if not container.image_pull_policy:
        return default_pull_policy(container.image)
    try:
        return domain.PullPolicy(container.image_pull_policy)
    except ValueError:
        raise MalformedRequest(
            f"container {container.name}: imagePullPolicy: expected Always, IfNotPresent or Never"
        ) from None
