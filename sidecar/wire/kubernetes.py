"""The Kubernetes and interLink types of a request, as far as the sidecar reads them.

Names are Kubernetes' own. ``None`` where Go sends ``null`` or nothing. What becomes of the fields that are not
here, :mod:`sidecar.wire.field_table` says.

Source: https://github.com/kubernetes/api/blob/master/core/v1/types.go and
https://github.com/interlink-hq/interLink/blob/main/pkg/interlink/types.go
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct, field


class Kube(Struct, rename="camel"):
    """A Kubernetes object: camelCase in JSON."""


class ObjectMeta(Kube):
    name: str = ""
    namespace: str | None = None
    uid: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    deletion_grace_period_seconds: int | None = None


class FieldRef(Kube):
    field_path: str
    api_version: str = ""


class ResourceFieldRef(Kube):
    resource: str
    container_name: str = ""
    divisor: str | int | float = ""


class ValueFrom(Kube):
    """Of an environment variable; interLink has replaced the other kinds by values."""

    field_ref: FieldRef | None = None
    resource_field_ref: ResourceFieldRef | None = None
    config_map_key_ref: Any | None = None
    secret_key_ref: Any | None = None
    file_key_ref: Any | None = None


class EnvVar(Kube):
    name: str
    value: str | None = None
    value_from: ValueFrom | None = None


class ResourceRequirements(Kube):
    limits: dict[str, str | int | float] | None = None
    requests: dict[str, str | int | float] | None = None


class VolumeMount(Kube):
    name: str
    mount_path: str
    read_only: bool | None = None
    sub_path: str | None = None
    sub_path_expr: str | None = None
    recursive_read_only: str | None = None


class SecurityContext(Kube):
    """A container's or a pod's; what does not concern one of them is never there."""

    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    read_only_root_filesystem: bool | None = None


class ExecAction(Kube):
    command: list[str] | None = None


class HTTPHeader(Kube):
    name: str
    value: str = ""


class HTTPGetAction(Kube):
    port: int | str
    path: str | None = None
    host: str | None = None
    scheme: str | None = None
    http_headers: list[HTTPHeader] | None = None


class TCPSocketAction(Kube):
    port: int | str
    host: str | None = None


class GRPCAction(Kube):
    port: int
    service: str | None = None
    mode: str | None = None


class SleepAction(Kube):
    seconds: int


class Handler(Kube):
    """What probes and hooks have in common."""

    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None


class Probe(Handler):
    grpc: GRPCAction | None = None
    initial_delay_seconds: int | None = None
    period_seconds: int | None = None
    timeout_seconds: int | None = None
    success_threshold: int | None = None
    failure_threshold: int | None = None
    termination_grace_period_seconds: int | None = None


class LifecycleHandler(Handler):
    sleep: SleepAction | None = None


class Lifecycle(Kube):
    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None
    stop_signal: str | None = None


class ContainerPort(Kube):
    container_port: int
    name: str | None = None


class Container(Kube):
    name: str
    image: str = ""
    command: list[str] | None = None
    args: list[str] | None = None
    working_dir: str | None = None
    env: list[EnvVar] | None = None
    env_from: list[Any] | None = None
    resources: ResourceRequirements | None = None
    volume_mounts: list[VolumeMount] | None = None
    image_pull_policy: str | None = None
    restart_policy: str | None = None
    security_context: SecurityContext | None = None
    lifecycle: Lifecycle | None = None
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None
    ports: list[ContainerPort] | None = None
    termination_message_path: str | None = None
    termination_message_policy: str | None = None


class KeyToPath(Kube):
    key: str
    path: str
    mode: int | None = None


class ConfigMapSource(Kube):
    name: str = ""
    items: list[KeyToPath] | None = None
    default_mode: int | None = None
    optional: bool | None = None


class SecretSource(Kube):
    secret_name: str = ""
    items: list[KeyToPath] | None = None
    default_mode: int | None = None
    optional: bool | None = None


class DownwardItem(Kube):
    path: str
    field_ref: FieldRef | None = None
    resource_field_ref: ResourceFieldRef | None = None
    mode: int | None = None


class DownwardSource(Kube):
    items: list[DownwardItem] | None = None
    default_mode: int | None = None


class ProjectedObject(Kube):
    """A ConfigMap or a Secret inside a projected volume."""

    name: str = ""
    items: list[KeyToPath] | None = None
    optional: bool | None = None


class ServiceAccountToken(Kube):
    path: str
    audience: str = ""
    expiration_seconds: int | None = None


class Projection(Kube):
    config_map: ProjectedObject | None = None
    secret: ProjectedObject | None = None
    downward_api: DownwardSource | None = field(default=None, name="downwardAPI")
    service_account_token: ServiceAccountToken | None = None
    cluster_trust_bundle: Any | None = None
    pod_certificate: Any | None = None


class ProjectedSource(Kube):
    default_mode: int | None = None
    sources: list[Projection] | None = None


class ClaimSource(Kube):
    claim_name: str
    read_only: bool | None = None


class EmptyDirSource(Kube):
    medium: str | None = None
    size_limit: str | int | None = None


class HostPathSource(Kube):
    path: str
    type: str | None = None


class Volume(Kube):
    name: str
    config_map: ConfigMapSource | None = None
    secret: SecretSource | None = None
    projected: ProjectedSource | None = None
    downward_api: DownwardSource | None = field(default=None, name="downwardAPI")
    persistent_volume_claim: ClaimSource | None = None
    empty_dir: EmptyDirSource | None = None
    host_path: HostPathSource | None = None


class HostAlias(Kube):
    ip: str
    hostnames: list[str] | None = None


class DnsOption(Kube):
    name: str = ""
    value: str | None = None


class DnsConfig(Kube):
    nameservers: list[str] | None = None
    searches: list[str] | None = None
    options: list[DnsOption] | None = None


class ObjectName(Kube):
    name: str = ""


class PodSpec(Kube):
    containers: list[Container]
    init_containers: list[Container] | None = None
    volumes: list[Volume] | None = None
    restart_policy: str | None = None
    termination_grace_period_seconds: int | None = None
    active_deadline_seconds: int | None = None
    security_context: SecurityContext | None = None
    resources: ResourceRequirements | None = None
    overhead: dict[str, str | int | float] | None = None
    host_aliases: list[HostAlias] | None = None
    hostname: str | None = None
    hostname_override: str | None = None
    subdomain: str | None = None
    set_hostname_as_fqdn: bool | None = field(default=None, name="setHostnameAsFQDN")
    dns_policy: str | None = None
    dns_config: DnsConfig | None = None
    node_name: str | None = None
    service_account_name: str | None = None
    host_network: bool | None = None
    image_pull_secrets: list[ObjectName] | None = None


class Pod(Kube):
    metadata: ObjectMeta
    spec: PodSpec


class ConfigMap(Kube):
    metadata: ObjectMeta
    data: dict[str, str] | None = None
    binary_data: dict[str, str] | None = None


class Secret(Kube):
    metadata: ObjectMeta
    data: dict[str, str] | None = None


class RetrievedContainer(Struct):
    """The volumes' contents of one container; names exactly as interLink writes them."""

    name: str
    configMaps: list[ConfigMap] | None = None  # noqa: N815
    projectedvolumemaps: list[ConfigMap] | None = None
    secrets: list[Secret] | None = None
    emptyDirs: list[str] | None = None  # noqa: N815


class RetrievedPodData(Struct):
    """The body of ``/create``."""

    pod: Pod
    container: list[RetrievedContainer] | None = None
    jobConfig: Any | None = None  # noqa: N815
    jobScript: str | None = None  # noqa: N815


class PodIdentity(Kube):
    """As much of a pod as ``/delete`` needs."""

    metadata: ObjectMeta


class ContainerName(Kube):
    name: str


class SpecNames(Kube):
    containers: list[ContainerName] | None = None
    init_containers: list[ContainerName] | None = None


class PodNames(Kube):
    """As much of a pod as ``/status`` needs."""

    metadata: ObjectMeta
    spec: SpecNames | None = None


class LogOpts(Struct, frozen=True):
    """Go's zero values mean "not set"."""

    Tail: int = 0
    Bytes: int = 0
    Timestamps: bool = False
    Follow: bool = False
    Previous: bool = False
    SinceSeconds: int = 0
    SinceTime: datetime | None = None


class LogStruct(Struct):
    """The body of ``/getLogs``."""

    Namespace: str
    PodUID: str
    PodName: str
    ContainerName: str
    Opts: LogOpts = LogOpts()
