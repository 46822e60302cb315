"""One container of a request, with Kubernetes' defaults applied."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from sidecar.domain import pod as domain
from sidecar.domain.expand import expand
from sidecar.domain.images import default_pull_policy
from sidecar.errors import MalformedRequest, UnsupportedPod
from sidecar.wire import kubernetes as kube
from sidecar.wire import resources


class _FieldRef(msgspec.Struct, rename="camel"):
    field_path: str


class _ValueFrom(msgspec.Struct, rename="camel"):
    field_ref: _FieldRef | None = None


def read_container(
    container: kube.Container, role: domain.ContainerRole, identity: Mapping[str, str]
) -> domain.Container:
    """Check and convert one container.

    :param identity: what ``valueFrom.fieldRef`` may refer to, by field path
    :raises UnsupportedPod: a field of the container cannot be honoured
    """
    # As they are: the virtual kubelet has expanded what was to be expanded, and a secret may well contain "$$".
    values = {var.name: _value(var, container.name, identity) for var in container.env or []}
    return domain.Container(
        name=container.name,
        role=role,
        image=container.image,
        command=tuple(expand(word, values) for word in container.command or []),
        args=tuple(expand(word, values) for word in container.args or []),
        env=tuple(values.items()),
        working_dir=_absolute(container.working_dir or "", f"container {container.name}: workingDir"),
        mounts=tuple(_mount(mount, container.name) for mount in container.volume_mounts or []),
        requests=resources.of_container(container),
        pull_policy=_pull_policy(container),
    )


def _value(var: kube.EnvVar, container: str, identity: Mapping[str, str]) -> str:
    """A variable's plain value; interLink has resolved all references but, by its configuration, the pod's own."""
    where = f"container {container}: env {var.name}"
    if not var.name or "=" in var.name or "\0" in var.name:
        raise MalformedRequest(f"{where}: the name of a variable cannot be empty or contain = or NUL")
    if "\0" in (var.value or ""):
        raise MalformedRequest(f"{where}: a value cannot contain NUL")
    if var.value is not None or var.value_from is None:
        return var.value or ""
    reference = _reference(var.value_from, where)
    if reference is None:
        kind = ".".join(["valueFrom", *(str(name)[:80] for name in var.value_from)])
        raise UnsupportedPod(f"{where}: {kind} has arrived unresolved; interLink resolves it before it gets here")
    if not identity.get(reference.field_path):
        raise UnsupportedPod(f"{where}: valueFrom.fieldRef {reference.field_path} is not available here")
    return identity[reference.field_path]


def _reference(value_from: object, where: str) -> _FieldRef | None:
    try:
        return msgspec.convert(value_from, _ValueFrom).field_ref
    except msgspec.ValidationError as error:
        raise MalformedRequest(f"{where}: valueFrom: {error}") from error


def _absolute(path: str, where: str) -> str:
    if path and (not path.startswith("/") or "\n" in path or "\0" in path):
        raise UnsupportedPod(f"{where}: {path!r} is not an absolute path")
    return path


def _mount(mount: kube.VolumeMount, container: str) -> domain.Mount:
    where = f"container {container}: volumeMount {mount.name}"
    sub_path = mount.sub_path or ""
    if sub_path.startswith("/") or ".." in sub_path.split("/") or "\n" in sub_path or "\0" in sub_path:
        raise UnsupportedPod(f"{where}: subPath must be a relative path without ..")
    if not mount.mount_path or ":" in mount.mount_path:
        raise UnsupportedPod(f"{where}: mountPath must be an absolute path without a colon")
    return domain.Mount(
        volume=mount.name,
        path=_absolute(mount.mount_path, f"{where}: mountPath"),
        read_only=bool(mount.read_only),
        sub_path=sub_path,
    )


def _pull_policy(container: kube.Container) -> domain.PullPolicy:
    if not container.image_pull_policy:
        return default_pull_policy(container.image)
    try:
        return domain.PullPolicy(container.image_pull_policy)
    except ValueError:
        raise MalformedRequest(
            f"container {container.name}: imagePullPolicy: expected Always, IfNotPresent or Never"
        ) from None
