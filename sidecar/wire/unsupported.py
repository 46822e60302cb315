"""What Kubernetes can say and this sidecar cannot do: refused where it would change the result, noted where not."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from sidecar.domain.plan import SitePolicy
from sidecar.errors import UnsupportedPod
from sidecar.wire import kubernetes as kube

_NOTED_IN_SECURITY = (
    "fs_group", "fs_group_change_policy", "supplemental_groups", "supplemental_groups_policy", "seccomp_profile",
    "app_armor_profile", "se_linux_options", "se_linux_change_policy", "windows_options",
)  # fmt: skip
_NOTED_IN_POD = (
    "host_network", "host_users", "subdomain", "hostname", "host_aliases", "image_pull_secrets",
    "ephemeral_containers", "runtime_class_name",
)  # fmt: skip
_PROBES = ("liveness_probe", "readiness_probe", "startup_probe")


def check_pod(spec: kube.PodSpec, skipped: Sequence[str], policy: SitePolicy) -> None:
    """Refuse what cannot be honoured.

    :param skipped: JSON paths of the fields that :mod:`sidecar.wire.kubernetes` does not have
    :raises UnsupportedPod: with the field's name
    """
    for problem in _problems(spec, skipped, policy):
        raise UnsupportedPod(problem)


def _problems(spec: kube.PodSpec, skipped: Sequence[str], policy: SitePolicy) -> Iterator[str]:
    for path in skipped:
        if path.startswith("$.spec.volumes."):
            kind = path.split(".")[3]
            yield f"spec.volumes: {kind} is not supported; use configMap, secret, projected, emptyDir or hostPath"
    if spec.active_deadline_seconds is not None:
        yield "spec.activeDeadlineSeconds is not supported yet; use slurm-job.vk.io/flags: --time=MINUTES"
    if spec.share_process_namespace or spec.host_pid or spec.host_ipc:
        yield "spec: shareProcessNamespace, hostPID and hostIPC are not supported"
    if spec.resource_claims:
        yield "spec.resourceClaims is not supported; ask for GPUs by resources.limits"
    yield from _security_problems("spec.securityContext", spec.security_context)
    for container in spec.init_containers or []:
        if container.restart_policy:
            yield f"init container {container.name}: restartPolicy (native sidecars) is not supported yet"
    for container in (*(spec.init_containers or []), *spec.containers):
        yield from _container_problems(container, policy)


def _container_problems(container: kube.Container, policy: SitePolicy) -> Iterator[str]:
    where = f"container {container.name}"
    if container.lifecycle is not None:
        yield f"{where}: lifecycle hooks are not supported yet"
    if container.env_from:
        yield f"{where}: envFrom has arrived unresolved; interLink resolves it before it gets here"
    if container.volume_devices:
        yield f"{where}: volumeDevices are not supported"
    if container.restart_policy_rules:
        yield f"{where}: restartPolicyRules are not supported"
    if container.resources and container.resources.claims is not None:
        yield f"{where}: resources.claims is not supported"
    for probe in _PROBES:
        if policy.enable_probes and getattr(container, probe) is not None:
            yield f"{where}: {_camel(probe)} is not supported yet; with EnableProbes: false probes are ignored"
    yield from _security_problems(f"{where}: securityContext", container.security_context)


def _security_problems(where: str, context: kube.SecurityContext | None) -> Iterator[str]:
    if context is None:
        return
    if context.privileged:
        yield f"{where}.privileged: jobs have no privileges"
    if context.capabilities and context.capabilities.add:
        yield f"{where}.capabilities.add: jobs have no capabilities"
    if context.sysctls:
        yield f"{where}.sysctls are not supported"
    if context.proc_mount not in (None, "Default"):
        yield f"{where}.procMount is not supported"
    if context.run_as_user == 0:
        yield f"{where}.runAsUser: 0 (root) is never allowed"
    elif context.run_as_user not in (None, os.getuid()):
        yield f"{where}.runAsUser: jobs run as UID {os.getuid()} here; leave it out"
    if context.run_as_group not in (None, os.getgid()):
        yield f"{where}.runAsGroup: jobs run as GID {os.getgid()} here; leave it out"


def notes_on_pod(spec: kube.PodSpec, policy: SitePolicy) -> tuple[str, ...]:
    """Fields that are ignored because they cannot change the result here, one sentence each."""
    return tuple(_notes(spec, policy))


def _notes(spec: kube.PodSpec, policy: SitePolicy) -> Iterator[str]:
    for name in _NOTED_IN_POD:
        if getattr(spec, name):
            yield f"spec.{_camel(name)} ignored"
    yield from _security_notes("spec.securityContext", spec.security_context)
    for container in (*(spec.init_containers or []), *spec.containers):
        where = f"container {container.name}"
        for probe in _PROBES:
            if not policy.enable_probes and getattr(container, probe) is not None:
                yield f"{where}: {_camel(probe)} ignored (EnableProbes: false)"
        if container.stdin or container.tty:
            yield f"{where}: stdin and tty ignored: a batch job has no terminal"
        if container.termination_message_path not in (None, "/dev/termination-log"):
            yield f"{where}: terminationMessagePath ignored"
        yield from _security_notes(f"{where}: securityContext", container.security_context)


def _security_notes(where: str, context: kube.SecurityContext | None) -> Iterator[str]:
    for name in _NOTED_IN_SECURITY:
        if context is not None and getattr(context, name):
            yield f"{where}.{_camel(name)} ignored"


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
