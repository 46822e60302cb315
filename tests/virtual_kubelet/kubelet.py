"""The virtual kubelet with the pods of its node.

Source: https://github.com/interlink-hq/interLink/blob/main/pkg/virtualkubelet/virtualkubelet.go
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict, Unpack

from tests.virtual_kubelet import rules
from tests.virtual_kubelet.admission import Json, admit_data, admit_pod, now
from tests.virtual_kubelet.answers import Created, Ping
from tests.virtual_kubelet.controllers import pod_of
from tests.virtual_kubelet.interlink import CallFailed, Interlink
from tests.virtual_kubelet.retrieval import NotFound, Objects, create_body

FINAL = ("Succeeded", "Failed")
DELETED = "Deleted"
"""What :meth:`VirtualKubelet.phase_of` says of a pod that Kubernetes has no more."""
JOB_ID = "JobID"
POLL_SECONDS = 0.1
"""The virtual kubelet itself waits 5 seconds; tests are less patient."""
_NO_TIME = "0001-01-01T00:00:00Z"


class LogOptions(TypedDict, total=False):
    """kubectl's options of ``logs``."""

    tail: int
    limit_bytes: int
    timestamps: bool
    follow: bool
    previous: bool
    since_seconds: int
    since_time: datetime


class VirtualKubelet:
    """One virtual node. Pods are named by their names, which therefore must differ, as in one namespace."""

    def __init__(
        self, base_url: str = "http://unix", *, socket: Path | None = None, namespace: str = "default"
    ) -> None:
        self.interlink = Interlink(base_url, socket=socket)
        self.errors: list[str] = []
        """What went wrong while polling or deleting; the virtual kubelet only logs it."""
        self._namespace = namespace
        self._data: dict[str, dict[str, Json]] = {"ConfigMap": {}, "Secret": {}}
        self._pods: dict[str, Json] = {}

    def close(self) -> None:
        """Let go of all connections."""
        self.interlink.close()

    def create_pod(self, *documents: Json) -> Json:
        """``kubectl apply``: ConfigMaps, Secrets and one pod, or one object of which a controller makes a pod.

        :return: the pod; after an error its phase is Failed and the message tells why
        """
        for document in documents:
            if document["kind"] in self._data:
                self._data[document["kind"]][document["metadata"]["name"]] = admit_data(document, self._namespace)
        (manifest,) = [pod for document in documents if (pod := pod_of(document))]
        pod = admit_pod(manifest, self._namespace)
        pod["status"] = rules.initial(pod)
        self._pods[pod["metadata"]["name"]] = pod
        self._offload(pod)
        return pod

    def _offload(self, pod: Json) -> None:
        try:
            answer = self.interlink.create(self.create_request(pod))
        except (CallFailed, NotFound) as error:
            pod["status"] = rules.refused(pod, str(error))
            return
        pod["metadata"].setdefault("annotations", {})[JOB_ID] = answer.PodJID

    def create_request(self, pod: Json) -> Json:
        """The body of ``/create`` for a pod of this node."""
        return create_body(pod, Objects(self._data["ConfigMap"], self._data["Secret"]))

    def create_again(self, name: str) -> Created:
        """Send a pod's ``/create`` once more with the same UID, as a caller does that lost the answer.

        :raises CallFailed: with the sidecar's words
        """
        return self.interlink.create(self.create_request(self._pods[name]))

    def poll(self) -> None:
        """Ask about every pod that has not ended: one call with one whole pod each."""
        for pod in list(self._pods.values()):
            if pod["status"]["phase"] in FINAL:
                continue
            try:
                entries = self.interlink.statuses([pod])
            except CallFailed as error:
                self.errors.append(str(error))
                continue
            rules.take_in(pod, entries[0])

    def ping(self) -> Ping:
        """The node's heartbeat."""
        return self.interlink.ping()

    def delete_pod(self, name: str, *, grace_seconds: int | None = None) -> None:
        """``kubectl delete pod``: the pod leaves Kubernetes at once, whatever the sidecar says.

        :param grace_seconds: ``--grace-period``; by default the pod's own
        """
        pod = self._pods.pop(name)
        own = pod["spec"]["terminationGracePeriodSeconds"]
        when = now()
        farewell = copy.deepcopy(pod)
        farewell["metadata"] |= {
            "deletionTimestamp": when,
            "deletionGracePeriodSeconds": own if grace_seconds is None else grace_seconds,
        }
        farewell["status"] = rules.deleted(pod, when)
        try:
            self.interlink.delete(farewell)
        except CallFailed as error:
            self.errors.append(str(error))

    def restart(self) -> None:
        """Start anew: pods with a job id are taken over, the others are created again with the same UID."""
        for pod in self._pods.values():
            if JOB_ID not in pod["metadata"].get("annotations", {}) and pod["status"]["phase"] not in FINAL:
                self._offload(pod)

    def lose_answer(self, name: str) -> None:
        """As if the virtual kubelet had died before it could note the job id."""
        del self._pods[name]["metadata"]["annotations"][JOB_ID]

    def pod(self, name: str) -> Json:
        """The pod as Kubernetes stores it."""
        return self._pods[name]

    def job_id_of(self, name: str) -> str:
        """What the sidecar's answer to ``/create`` named."""
        job_id: str = self._pods[name]["metadata"]["annotations"][JOB_ID]
        return job_id

    def phase_of(self, name: str) -> str:
        """What ``kubectl get pod`` shows."""
        return str(self._pods[name]["status"]["phase"]) if name in self._pods else DELETED

    def container(self, name: str, container: str = "main") -> Json:
        """The stored status of one container."""
        status = self._pods[name]["status"]
        everyone: Sequence[Json] = [*status["containerStatuses"], *status.get("initContainerStatuses", [])]
        return next(stored for stored in everyone if stored["name"] == container)

    def wait_for(self, name: str, *phases: str, timeout: float = 60) -> str:
        """Poll until the pod is in one of these phases.

        :raises AssertionError: it ended in another one, or time is up
        """
        self.wait_until(lambda: self.phase_of(name) in phases or self.phase_of(name) in FINAL, name, timeout)
        phase = self.phase_of(name)
        assert phase in phases, f"pod {name} is {phase}, not {' or '.join(phases)}: {self._pods[name]['status']}"
        return phase

    def wait_until(self, condition: Callable[[], bool], name: str, timeout: float = 60) -> None:
        """Poll until something holds.

        :raises AssertionError: time is up
        """
        deadline = time.monotonic() + timeout
        while True:
            self.poll()
            if condition():
                return
            assert time.monotonic() < deadline, (
                f"pod {name} is not there after {timeout} s: {self._pods.get(name, {}).get('status')}; {self.errors}"
            )
            time.sleep(POLL_SECONDS)

    def logs(self, name: str, container: str = "main", **options: Unpack[LogOptions]) -> str:
        """``kubectl logs``, whole."""
        with self._log_pieces(name, container, options) as pieces:
            return "".join(pieces)

    def follow(
        self, name: str, container: str = "main", **options: Unpack[LogOptions]
    ) -> AbstractContextManager[Iterator[str]]:
        """``kubectl logs -f``: the pieces as they come, until the container has ended."""
        return self._log_pieces(name, container, {**options, "follow": True})

    def _log_pieces(self, name: str, container: str, options: LogOptions) -> AbstractContextManager[Iterator[str]]:
        metadata = self._pods[name]["metadata"]
        return self.interlink.logs(
            {
                "Namespace": metadata["namespace"],
                "PodUID": metadata["uid"],
                "PodName": name,
                "ContainerName": container,
                "Opts": log_options(options),
            }
        )


def log_options(options: LogOptions) -> Json:
    """The options in interLink's names; zero values mean "not set"."""
    since = options.get("since_time")
    return {
        "Tail": options.get("tail", 0),
        "Bytes": options.get("limit_bytes", 0),
        "Timestamps": options.get("timestamps", False),
        "Follow": options.get("follow", False),
        "Previous": options.get("previous", False),
        "SinceSeconds": options.get("since_seconds", 0),
        "SinceTime": since.astimezone(UTC).isoformat().replace("+00:00", "Z") if since else _NO_TIME,
    }
