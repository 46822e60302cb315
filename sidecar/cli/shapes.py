"""The parts of a manifest that are read here and not passed on as they are; names are Kubernetes' own.

Source: https://github.com/kubernetes/api/blob/master/core/v1/types.go
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from sidecar.errors import MalformedRequest
from sidecar.wire.kubernetes import (
    ConfigMapSource,
    DownwardSource,
    FieldRef,
    ProjectedSource,
    ResourceFieldRef,
    SecretSource,
)

T = TypeVar("T")


class _Kube(msgspec.Struct, rename="camel"):
    """camelCase in JSON."""


class Metadata(_Kube):
    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class KeyRef(_Kube):
    key: str
    name: str = ""
    optional: bool | None = None


class ValueFrom(_Kube):
    config_map_key_ref: KeyRef | None = None
    secret_key_ref: KeyRef | None = None
    field_ref: FieldRef | None = None
    resource_field_ref: ResourceFieldRef | None = None


class EnvVar(_Kube):
    name: str
    value: str | None = None
    value_from: ValueFrom | None = None


class ObjectRef(_Kube):
    name: str = ""
    optional: bool | None = None


class EnvFrom(_Kube):
    prefix: str = ""
    config_map_ref: ObjectRef | None = None
    secret_ref: ObjectRef | None = None


class Resources(_Kube):
    limits: dict[str, str | int | float] | None = None
    requests: dict[str, str | int | float] | None = None


class MountName(_Kube):
    name: str


class Container(_Kube):
    name: str
    env: list[EnvVar] | None = None
    env_from: list[EnvFrom] | None = None
    resources: Resources | None = None
    volume_mounts: list[MountName] | None = None


class Volume(_Kube):
    name: str
    config_map: ConfigMapSource | None = None
    secret: SecretSource | None = None
    projected: ProjectedSource | None = None
    downward_api: DownwardSource | None = msgspec.field(default=None, name="downwardAPI")


class PodSpec(_Kube):
    containers: list[Container]
    init_containers: list[Container] | None = None
    volumes: list[Volume] | None = None
    node_name: str = ""
    service_account_name: str = ""


class ConfigMap(_Kube):
    metadata: Metadata
    data: dict[str, str] | None = None
    binary_data: dict[str, str] | None = None


class Secret(_Kube):
    metadata: Metadata
    data: dict[str, str] | None = None
    string_data: dict[str, str] | None = None
    type: str = "Opaque"


def read(value: Any, shape: type[T], where: str) -> T:
    """A part of a manifest, checked.

    :raises MalformedRequest: it has another shape; the text has the path and what was expected, never a value
    """
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise MalformedRequest(f"{where}: {str(error).replace('`', '')}") from error
