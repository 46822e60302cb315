"""One container of a request, with Kubernetes' defaults applied."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import fields

from sidecar.domain import pod as domain
from sidecar.domain.downward import Downward
from sidecar.domain.expand import expand, missing
from sidecar.domain.images import default_pull_policy
from sidecar.errors import MalformedRequest, UnsupportedPod
from sidecar.wire import kubernetes as kube
from sidecar.wire import resources

_UNRESOLVED = "has arrived unresolved; interLink resolves it before it gets here"


def read_container(container: kube.Container, role: domain.ContainerRole, downward: Downward) -> domain.Container:
    """Check and convert one container.

    :param downward: what ``valueFrom.fieldRef`` may refer to
    :raises UnsupportedPod: a field of the container cannot be honoured
    """
    if container.env_from:
        raise UnsupportedPod(f"container {container.name}: envFrom {_UNRESOLVED}")
    # As they are: the virtual kubelet has expanded what was to be expanded, and a secret may well contain "$$".
    values = {var.name: _value(var, container.name, downward) for var in container.env or []}
    return domain.Container(
        name=container.name,
        role=role,
        image=container.image,
        command=tuple(expand(word, values) for word in container.command or []),
        args=tuple(expand(word, values) for word in container.args or []),
        env=tuple(values.items()),
        working_dir=_absolute(container.working_dir or "", f"container {container.name}: workingDir"),
        mounts=tuple(_mount(mount, container.name, values) for mount in container.volume_mounts or []),
        requests=resources.of_container(container),
        pull_policy=_pull_policy(container),
        read_only_root=_is_read_only(container.security_context),
    )


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
        return downward.field(source.field_ref.field_path, where)
    if ref := source.resource_field_ref:
        return downward.resource(ref.resource, ref.container_name or container, str(ref.divisor), where)
    kind = ".".join(["valueFrom", *(f.encode_name for f in fields(source) if getattr(source, f.name) is not None)])
    raise UnsupportedPod(f"{where}: {kind} {_UNRESOLVED}")


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
    if path.startswith("/") or ".." in path.split("/") or "\n" in path or "\0" in path:
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
