"""The body of ``/create`` becomes a :class:`~sidecar.domain.pod.Pod`, or a sentence that says why it cannot."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from sidecar.domain import pod as domain
from sidecar.domain.downward import Downward
from sidecar.domain.plan import SitePolicy
from sidecar.domain.shell_text import as_lines, has_foreign_lines
from sidecar.errors import MalformedRequest, UnsupportedPod
from sidecar.wire import decode, fields, options, resources
from sidecar.wire import kubernetes as kube
from sidecar.wire.containers import read_container
from sidecar.wire.downward import downward_of
from sidecar.wire.field_table import TABLE
from sidecar.wire.names import read_names
from sidecar.wire.pull_secrets import read_pull_secrets
from sidecar.wire.security import user_and_group
from sidecar.wire.volumes import read_volumes


def read(body: bytes, policy: SitePolicy) -> domain.Pod:
    """Read one pod with its volumes' contents.

    :raises MalformedRequest: the body is not one pod, or an identifier is not of the form Kubernetes gives
    :raises UnsupportedPod: the pod needs what this sidecar cannot do; the text names the field
    """
    request = _request(body)
    pod = request.pod
    uid = decode.pod_uid(pod.metadata.uid, "$.pod.metadata.uid")
    name = decode.subdomain(pod.metadata.name, "$.pod.metadata.name")
    namespace = decode.label(pod.metadata.namespace or policy.default_namespace, "$.pod.metadata.namespace")
    _check_container_names(pod.spec)
    field_notes = _field_notes(_raw_pod(body), policy)
    job_options, alias_notes = options.read(pod.metadata.annotations or {}, policy.runtime)
    user, group = user_and_group(pod.spec)
    whole = pod.spec.resources or kube.ResourceRequirements()
    downward = downward_of(pod, {"metadata.name": name, "metadata.namespace": namespace, "metadata.uid": uid})
    volumes, volume_notes = read_volumes(pod.spec, request.container or [], policy, downward)
    logins, login_notes = read_pull_secrets(pod.spec, request.container or [])
    return domain.Pod(
        uid=uid,
        namespace=namespace,
        name=name,
        containers=tuple(_containers(pod.spec, downward, with_probes=policy.enable_probes)),
        volumes=volumes,
        names=read_names(pod.spec, name, namespace),
        restart_policy=_restart_policy(pod.spec),
        grace_seconds=_grace_seconds(pod.spec),
        deadline_seconds=_deadline_seconds(pod.spec),
        requests=resources.of_pod(whole.requests, "spec.resources.requests"),
        limits=resources.of_pod(whole.limits, "spec.resources.limits"),
        overhead=resources.of_pod(pod.spec.overhead, "spec.overhead"),
        job_script=_job_script(request),
        options=job_options,
        logins=logins,
        run_as_user=user,
        run_as_group=group,
        notes=(*_job_script_notes(request), *alias_notes, *login_notes, *volume_notes, *field_notes),
    )


def _job_script(request: kube.RetrievedPodData) -> str:
    script = request.jobScript or ""
    return as_lines(script) if has_foreign_lines(script) else script


def _job_script_notes(request: kube.RetrievedPodData) -> Iterator[str]:
    if request.jobScript:
        yield (
            "jobScript: interLink brings the job's script, which runs once in place of the containers; their images,"
            " commands, environment, volumes, probes, hooks and restartPolicy are left to it"
        )
    if has_foreign_lines(request.jobScript or ""):
        yield "jobScript: its lines end with CR LF, which no interpreter can be found with; it runs with LF"


def _request(body: bytes) -> kube.RetrievedPodData:
    """One object, or a list of one as older versions and the Python SDK send it."""
    if not body.lstrip().startswith(b"["):
        return decode.decode(body, kube.RetrievedPodData)
    requests = decode.decode(body, list[kube.RetrievedPodData])
    if len(requests) != 1:
        raise MalformedRequest(f"$: expected one pod, got a list of {len(requests)}")
    return requests[0]


class _RawRequest(msgspec.Struct):
    pod: dict[str, object]


def _raw_pod(body: bytes) -> dict[str, object]:
    if body.lstrip().startswith(b"["):
        return decode.decode(body, list[_RawRequest])[0].pod
    return decode.decode(body, _RawRequest).pod


def _field_notes(raw: dict[str, object], policy: SitePolicy) -> tuple[str, ...]:
    """One sentence for each field that is ignored or unknown.

    :raises UnsupportedPod: there is one that cannot be honoured
    """
    findings = fields.judge(raw, TABLE, policy)
    for problem in findings.refused:
        raise UnsupportedPod(problem)
    return tuple(findings.notes)


def _check_container_names(spec: kube.PodSpec) -> None:
    if not spec.containers:
        raise MalformedRequest("$.pod.spec.containers: a pod needs at least one container")
    seen = set()
    for container in (*(spec.init_containers or []), *spec.containers):
        decode.label(container.name, "$.pod.spec.containers[].name")
        if container.name in seen:
            raise MalformedRequest(f"$.pod.spec.containers: two containers are named {container.name!r}")
        seen.add(container.name)


def _containers(spec: kube.PodSpec, downward: Downward, *, with_probes: bool) -> Iterator[domain.Container]:
    for container in spec.init_containers or []:
        yield read_container(container, _init_role(container), downward, with_probes=with_probes)
    for container in spec.containers:
        yield read_container(container, domain.ContainerRole.MAIN, downward, with_probes=with_probes)


def _init_role(container: kube.Container) -> domain.ContainerRole:
    if not container.restart_policy:
        return domain.ContainerRole.INIT
    if container.restart_policy != "Always":
        raise MalformedRequest(f"init container {container.name}: restartPolicy: expected Always or nothing")
    return domain.ContainerRole.SIDECAR


def _restart_policy(spec: kube.PodSpec) -> domain.RestartPolicy:
    try:
        return domain.RestartPolicy(spec.restart_policy or "Always")
    except ValueError:
        raise MalformedRequest(
            f"$.pod.spec.restartPolicy: expected Always, OnFailure or Never, got {spec.restart_policy!r}"
        ) from None


def _grace_seconds(spec: kube.PodSpec) -> int:
    grace = spec.termination_grace_period_seconds
    if grace is not None and not 0 <= grace <= decode.MOST_SECONDS:
        raise MalformedRequest(
            f"$.pod.spec.terminationGracePeriodSeconds: expected seconds from 0 to {decode.MOST_SECONDS}"
        )
    return 30 if grace is None else grace


def _deadline_seconds(spec: kube.PodSpec) -> int | None:
    seconds = spec.active_deadline_seconds
    if seconds is not None and not 1 <= seconds <= decode.MOST_SECONDS:
        raise MalformedRequest(f"$.pod.spec.activeDeadlineSeconds: expected seconds from 1 to {decode.MOST_SECONDS}")
    return seconds
