"""What interLink can ask for: one method per command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from sidecar.domain import devices, planning
from sidecar.domain import events as ev
from sidecar.domain.events import Source
from sidecar.domain.observe import Observation
from sidecar.domain.plan import JobPlan, SitePolicy
from sidecar.domain.pod import Pod
from sidecar.domain.state import ContainerState, ContainerStatus, PodState
from sidecar.domain.users import JobUser
from sidecar.drain import Drain
from sidecar.errors import LogUnavailable, NodeDraining, SlurmRefused, UnknownPod
from sidecar.history import History
from sidecar.locks import KeyedLocks
from sidecar.pod_files import directory, places, registry_logins
from sidecar.pod_files.site import JobSite
from sidecar.submission import Submitter, new_token
from sidecar.system import users

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFiles:
    """The log of one attempt of one container."""

    log: Path
    index: Path
    container: str
    attempt: int
    root: Path
    """The pod's directory."""


class Service:
    """The commands."""

    def __init__(
        self,
        *,
        history: History,
        submitter: Submitter,
        policy: SitePolicy,
        site: JobSite,
        drain: Drain,
        wake_reconciler: Callable[[], None],
    ) -> None:
        self._history = history
        self._submitter = submitter
        self._policy = policy
        self._site = site
        self._drain = drain
        self._wake_reconciler = wake_reconciler
        self._creating = KeyedLocks()

    def create(self, pod: Pod) -> str:
        """Turn a pod into one Slurm job and return its id, or the pod's UID while Slurm cannot be reached.

        The same UID again gets the same answer, also while the first request is still at work.

        :raises UnsupportedPod: the site does not allow it, or the sidecar cannot do it
        :raises SlurmRefused: Slurm will not take the job
        :raises NodeDraining: the pod is new, and new pods are not taken now
        """
        with self._creating.hold(pod.uid):
            state = self._history.get(pod.uid)
            if state is None:
                self._refuse_while_draining()
                state = self._submitter.first(pod.uid, lambda: self._accept(pod))
            elif state.reason == "SubmissionFailed":
                raise SlurmRefused(state.message)
        if not state.job_id:
            self._wake_reconciler()
        return state.job_id or state.uid

    def _refuse_while_draining(self) -> None:
        if words := self._drain.state.sentence:
            raise NodeDraining(f"this node is {words} and takes no new pods; 'slurm-sidecar undrain' ends it")

    def _accept(self, pod: Pod) -> PodState:
        """Write the pod's files, then its record: a record without files could never be submitted."""
        token = new_token()
        logins = registry_logins.of_site(self._site.registry_auth_file, pod.namespace)
        plan = planning.plan(pod, self._policy, token=token, site_logins=logins)
        user = users.other_than(self._policy.users.own_uid, plan.uid, pod.run_as_group)
        if self._site.shared_fs:
            places.prepare_for(self._site.data_root, user)
        directory.write(pod, plan, root=self._site.data_root, token=token, site=self._site, user=user)
        return self._history.begin(
            pod.uid, accepted(pod, plan, user), ev.SubmissionStarted(token=token, job_name=plan.job_name)
        )

    def delete(self, uid: str, grace_seconds: int | None) -> bool:
        """Note durably that the pod must go; the reconciler stops its job and removes its files.

        :param grace_seconds: ``None``: the pod's own
        :return: whether there is such a pod
        """

        def decide(state: PodState) -> list[Observation]:
            if state.is_deleted:
                return []
            grace = state.grace_seconds if grace_seconds is None else grace_seconds
            return [self._history.observed(ev.DeletionRequested(grace_seconds=grace), Source.REQUEST)]

        with self._creating.hold(uid):
            try:
                self._history.change(uid, decide)
            except UnknownPod:
                log.info("deletion of an unknown pod", pod_uid=uid)
                return False
        self._wake_reconciler()
        return True

    def states(self, uids: Sequence[str]) -> dict[str, PodState]:
        """The states of those pods that are known."""
        return self._history.get_many(uids)

    def log_files(self, uid: str, container_name: str, *, previous: bool) -> LogFiles:
        """Where the log of a container is.

        :param previous: of the attempt before the present one
        :raises UnknownPod: there is no record of the pod
        :raises LogUnavailable: the pod has no such container, or the container no such log
        """
        state = self._known(uid)
        container = state.container(container_name)
        if container is None:
            names = ", ".join(c.name for c in state.containers)
            raise LogUnavailable(f"pod {state.name} has no container {container_name!r}; it has {names}")
        if state.files_removed:
            raise LogUnavailable(f"the logs of pod {state.name} were removed with the deleted pod")
        attempt = _attempt(container, previous=previous)
        files = self._submitter.directory_of(state)
        log, index = files.log(container_name, attempt), files.log_index(container_name, attempt)
        if _ended_before_containers(state) and not directory.holds(files, log):
            log, index = files.output, files.output.with_suffix(".index")
        return LogFiles(log=log, index=index, container=container_name, attempt=attempt, root=files.root)

    def has_ended(self, uid: str, files: LogFiles) -> bool:
        """Whether that attempt of the container writes no more."""
        state = self._known(uid)
        container = state.container(files.container)
        if container is None or state.phase.is_final:
            return True
        return container.attempt > files.attempt or container.status is ContainerStatus.TERMINATED

    def _known(self, uid: str) -> PodState:
        state = self._history.get(uid)
        if state is None:
            raise UnknownPod(f"there is no record of pod {uid}")
        return state


def _ended_before_containers(state: PodState) -> bool:
    """Whether the pod's job ran and no container ever started: then only the job's own output can say why."""
    never = all(c.attempt == 0 and c.termination and not c.termination.started_at for c in state.containers)
    return state.phase.is_final and state.started_at is not None and never


def _attempt(container: ContainerState, *, previous: bool) -> int:
    started = container.status is not ContainerStatus.WAITING
    if previous:
        if container.attempt == 0:
            raise LogUnavailable(f"previous terminated container {container.name!r} not found: it never restarted")
        return container.attempt - 1
    if started:
        return container.attempt
    if container.attempt > 0:
        return container.attempt - 1  # in back-off: the last run is the one to read, as with kubectl
    raise LogUnavailable(
        f"container {container.name!r} is waiting to start: {container.reason}"
        + (f" ({container.message})" if container.message else "")
    )


def accepted(pod: Pod, plan: JobPlan, user: JobUser | None = None) -> ev.PodAccepted:
    """The first event of a pod: nothing in it is secret."""
    return ev.PodAccepted(
        namespace=pod.namespace,
        name=pod.name,
        containers=tuple(ev.ContainerRef(name=c.name, role=c.role, image=c.image) for c in pod.containers),
        restart_policy=pod.restart_policy,
        grace_seconds=pod.grace_seconds,
        requested_cpus=(plan.requests.cpu_millis or 0) // 1000,
        requested_memory_bytes=plan.requests.memory_bytes,
        requested_gpus=devices.whole_gpus(dict(plan.requests.devices)),
        requested_devices=plan.requests.devices,
        requested_ephemeral_storage_bytes=plan.requests.ephemeral_bytes,
        notes=(*pod.notes, *plan.notes),
        run_as_user=plan.uid,
        run_as_group=user.gid if user else None,
    )
