"""How the virtual kubelet turns one entry of ``/status`` into the status that Kubernetes stores, oddities included.

Source: https://github.com/interlink-hq/interLink/blob/main/pkg/virtualkubelet/execute.go, ``checkPodsStatus``
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

from tests.virtual_kubelet.admission import Json


class NilDereference(AssertionError):
    """The virtual kubelet would have crashed here, and with it every pod's node."""


@dataclass(slots=True)
class Tally:
    """What was seen while going through a list of containers."""

    waiting: bool = False
    running: bool = False
    terminated: int = 0
    failure: str = ""
    """``Error: <code>`` of the last one that failed."""


def take_in(pod: Json, entry: Json) -> None:
    """Change the pod's status by the sidecar's entry for it.

    :raises NilDereference: the entry would crash the virtual kubelet
    """
    if not entry["name"]:
        return
    status = pod["status"]
    inits, mains = entry["initContainers"] or [], entry["containers"] or []
    before = _take_in_inits(status, inits)
    if before.terminated == len(inits):
        before.waiting = False
    seen = _take_in_mains(status, mains, before, len(inits))
    if seen.terminated == len(mains):
        _complete(status, seen.failure or before.failure)
    else:
        _go_on(status, before, seen)


def _replace(statuses: list[Json], entry: Json) -> int:
    """Store a container's status and return the position that is worked on: 0 when it was not there before."""
    for position, known in enumerate(statuses):
        if known["name"] == entry["name"]:
            statuses[position] = copy.deepcopy(entry)
            return position
    statuses.append(copy.deepcopy(entry))
    return 0


def _take_in_inits(status: Json, inits: Sequence[Json]) -> Tally:
    tally = Tally()
    for entry in inits:
        statuses = status.setdefault("initContainerStatuses", [])
        stored = statuses[_replace(statuses, entry)]["state"]
        given = entry["state"]
        if given.get("terminated"):
            _end(stored, given["terminated"]["exitCode"], tally, entry["name"])
        elif given.get("waiting"):
            tally.waiting = True
            stored["waiting"] = given["waiting"]
        elif given.get("running"):
            tally.running = True
            stored["running"] = given["running"]
            stored.pop("waiting", None)
    return tally


def _take_in_mains(status: Json, mains: Sequence[Json], before: Tally, inits: int) -> Tally:
    tally = Tally()
    for entry in mains:
        statuses = status.setdefault("containerStatuses", [])
        stored = statuses[_replace(statuses, entry)]
        given = entry["state"]
        if before.waiting or before.running:
            reason = f"Init:{before.terminated}/{inits}" if before.running else "PodInitializing"
            stored["state"] = {"waiting": {"reason": reason}}
        elif given.get("terminated"):
            _end(stored["state"], given["terminated"]["exitCode"], tally, entry["name"])
        elif given.get("running") and not given.get("waiting"):
            tally.running = True
            stored["ready"] = True
            stored["state"]["running"] = given["running"]
    return tally


def _end(stored: Json, code: int, tally: Tally, name: str) -> None:
    """The reason is overwritten; the exit code and the message survive."""
    tally.terminated += 1
    ended = _terminated(stored, name)
    if code != 0:
        tally.failure = f"Error: {code}"
    ended |= {"exitCode": code, "reason": f"Error: {code}" if code else "Completed"}


def _terminated(state: Json, name: str) -> Json:
    if not state.get("terminated"):
        raise NilDereference(f"container {name} is not terminated: {state}")
    ended: Json = state["terminated"]
    return ended


def _complete(status: Json, failure: str) -> None:
    if not failure:
        status["conditions"].append({"type": "Ready", "status": "False"} | _NO_TIMES)
        status |= {"phase": "Succeeded", "reason": "Completed"}
        return
    status |= {"phase": "Failed", "reason": failure}
    for stored in status.get("containerStatuses", []):
        _terminated(stored["state"], stored["name"])["reason"] = failure


def _go_on(status: Json, before: Tally, seen: Tally) -> None:
    if before.running:
        status |= {"phase": "Pending", "reason": "Init"}
    if before.waiting:
        status |= {"phase": "Pending", "reason": "Waiting for init containers"}
    if seen.running:
        ready = {"type": "Ready", "status": "True"} | _NO_TIMES
        status |= {"phase": "Running", "conditions": [ready], "reason": "Running"}


_NO_TIMES = {"lastProbeTime": None, "lastTransitionTime": None}


def initial(pod: Json) -> Json:
    """The status before the sidecar knows the pod; init containers have none yet."""
    waiting = {
        "reason": "Remote pod submitted",
        "message": "The pod has been submitted to the remote plugin for creation",
    }
    mains = [
        {"name": c["name"], "state": {"waiting": waiting}, "lastState": {}, "ready": False, "restartCount": 0}
        | {"image": c["image"], "imageID": ""}
        for c in pod["spec"]["containers"]
    ]
    initialized = "False" if pod["spec"].get("initContainers") else "True"
    conditions = {"Initialized": initialized, "Ready": "False", "PodScheduled": "True"}
    return {
        "phase": "Pending",
        "conditions": [{"type": kind, "status": value} | _NO_TIMES for kind, value in conditions.items()],
        "hostIP": "127.0.0.1",
        "podIP": "127.0.0.1",
        "podIPs": [{"ip": "127.0.0.1"}],
        "startTime": pod["metadata"]["creationTimestamp"],
        "containerStatuses": mains,
        "qosClass": pod["status"].get("qosClass", "BestEffort"),
    }


def refused(pod: Json, message: str) -> Json:
    """The status after an error on ``/create``: final at once."""
    ended = {"terminated": {"exitCode": 1, "reason": "ProviderFailed", "message": message}}

    def statuses(containers: Sequence[Json]) -> list[Json]:
        return [{"name": c["name"], "image": c["image"], "ready": False, "state": ended} for c in containers]

    status: Json = pod["status"]
    return status | {
        "phase": "Failed",
        "reason": "ProviderFailed",
        "message": message,
        "initContainerStatuses": statuses(pod["spec"].get("initContainers", [])),
        "containerStatuses": statuses(pod["spec"]["containers"]),
    }


def deleted(pod: Json, when: str) -> Json:
    """The status that goes with ``/delete``: the virtual kubelet declares everything ended."""
    ended = {
        "exitCode": 0,
        "reason": "VKProviderPodContainerDeleted",
        "message": "VK provider terminated container upon deletion",
        "startedAt": None,
        "finishedAt": when,
    }
    status: Json = copy.deepcopy(pod["status"]) | {"reason": "VKProviderPodDeleted"}
    for stored in (*status.get("containerStatuses", []), *status.get("initContainerStatuses", [])):
        stored |= {"ready": False, "state": {"terminated": ended}}
    return status
