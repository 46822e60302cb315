"""What the verbs about one pod do: submit, logs, delete, render."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import msgspec

from sidecar.cli import documents, manifest, records, waiting
from sidecar.cli.client import DaemonClient
from sidecar.cli.console import note, print_json, say
from sidecar.domain.pod import ContainerRole
from sidecar.domain.state import PodState
from sidecar.errors import MalformedRequest
from sidecar.settings import Settings

_SPAN = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_INTERRUPTED = 130
"""What a shell shows for a program ended by Ctrl-C."""

_NO_TOKEN = "0" * 12
"""Stands where a submission's token would be."""


def translated(path: Path, namespace: str, settings: Settings) -> manifest.Translation:
    """The pod of a manifest; its notes go to standard error.

    :param namespace: the person's choice, or empty
    :raises MalformedRequest: the manifest says another namespace, or is not one
    """
    translation = manifest.translate(documents.read(path), namespace or settings.namespace)
    if namespace and translation.namespace != namespace:
        raise MalformedRequest(
            f"the manifest says namespace {translation.namespace}; give --namespace {translation.namespace} or none"
        )
    for text in translation.notes:
        note(text)
    return translation


def submit(settings: Settings, translation: manifest.Translation, *, wait: bool, as_json: bool) -> int:
    """Send the pod to the daemon, and perhaps wait for its end; return the exit code."""
    client = DaemonClient(settings)
    answer = client.create(translation.request)
    name = f"{translation.namespace}/{translation.name}"
    result = {"namespace": translation.namespace, "name": translation.name, "uid": translation.uid}
    result["job_id"] = answer["PodJID"]
    if not as_json:
        say(_submitted(name, translation.uid, answer["PodJID"]))
    if not wait:
        if as_json:
            print_json(result)
        return 0
    return _wait(client, translation, name, result, as_json=as_json)


def _submitted(name: str, uid: str, job_id: str) -> str:
    if job_id == uid:
        return f"pod {name} accepted; Slurm does not answer now and gets it as soon as it does (uid {uid})"
    return f"pod {name} submitted as Slurm job {job_id} (uid {uid})"


def _wait(
    client: DaemonClient, translation: manifest.Translation, name: str, result: dict[str, Any], *, as_json: bool
) -> int:
    if translation.request["pod"]["spec"].get("restartPolicy", "Always") == "Always":
        note(
            "restartPolicy is Always, Kubernetes' default: the containers start again for ever; set Never to see an end"
        )
    try:
        entry = waiting.wait(client, translation.request["pod"])
    except KeyboardInterrupt:
        note(f"stopped waiting; pod {name} goes on; end it with 'slurm-sidecar delete {translation.uid}'")
        return _INTERRUPTED
    code = waiting.exit_code(entry)
    if as_json:
        containers = [*entry["initContainers"], *entry["containers"]]
        print_json(result | {"job_id": entry["JID"], "exit_code": code, "containers": containers})
    else:
        say(f"pod {name} {waiting.verdict(entry)}")
    return code


def delete(settings: Settings, text: str, grace_seconds: int | None) -> None:
    """Ask the daemon for a pod's end."""
    pod = records.find(settings.database_path, text)
    metadata: dict[str, Any] = {"namespace": pod.namespace, "name": pod.name, "uid": pod.uid}
    if grace_seconds is not None:
        metadata["deletionGracePeriodSeconds"] = grace_seconds
    DaemonClient(settings).delete({"metadata": metadata})
    say(f"pod {pod.namespace}/{pod.name}: {_what_follows(pod, grace_seconds)} (uid {pod.uid})")


def _what_follows(pod: PodState, grace_seconds: int | None) -> str:
    if pod.is_deleted:
        return "was deleted already; the first deletion counts"
    if pod.phase.is_final:
        return "deleted; its files are being removed, its history stays"
    grace = pod.grace_seconds if grace_seconds is None else grace_seconds
    return f"deletion accepted; its containers have {grace} s to end"


def logs(
    settings: Settings,
    text: str,
    container: str,
    *,
    follow: bool,
    previous: bool,
    tail: int,
    since_seconds: int,
    timestamps: bool,
) -> None:
    """Copy a container's log to standard output, byte for byte."""
    pod = records.find(settings.database_path, text)
    request = {
        "Namespace": pod.namespace,
        "PodUID": pod.uid,
        "PodName": pod.name,
        "ContainerName": container or _default_container(pod),
        "Opts": {
            "Tail": tail,
            "Bytes": 0,
            "Timestamps": timestamps,
            "Follow": follow,
            "Previous": previous,
            "SinceSeconds": since_seconds,
            "SinceTime": "0001-01-01T00:00:00Z",
        },
    }
    for chunk in DaemonClient(settings).logs(request):
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


def _default_container(pod: PodState) -> str:
    names = [c.name for c in pod.containers if c.role is ContainerRole.MAIN]
    if len(pod.containers) > 1:
        others = ", ".join(c.name for c in pod.containers if c.name != names[0])
        note(f"this is container {names[0]}; choose another with -c: {others}")
    return names[0]


def seconds_of(text: str) -> int:
    """A span such as ``10s``, ``5m``, ``2h`` or ``1d``.

    :raises ValueError: it is none
    """
    match = _SPAN.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{text!r} is not a span such as 10s, 5m, 2h or 1d")
    return int(match[1]) * _SECONDS[match[2]]


def rendered(settings: Settings, translation: manifest.Translation) -> str:
    """The batch script the pod would be submitted with.

    :raises SidecarError: the daemon would refuse the pod, for this reason
    """
    from sidecar.bootstrap import job_site
    from sidecar.domain.planning import plan
    from sidecar.pod_files import registry_logins, script
    from sidecar.pod_files.paths import PodDirectory
    from sidecar.wire import create

    pod = create.read(msgspec.json.encode(translation.request), settings.policy)
    logins = registry_logins.of_site(settings.registry_auth_file, pod.namespace)
    planned = plan(pod, settings.policy, token=_NO_TOKEN, site_logins=logins)
    for text in (*pod.notes, *planned.notes):
        note(text)
    place = PodDirectory.of(settings.data_root_folder, namespace=pod.namespace, uid=pod.uid)
    return script.render(pod, planned, directory=place, token=_NO_TOKEN, site=job_site(settings))
