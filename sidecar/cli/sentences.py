"""One sentence for every kind of event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sidecar.domain import events as ev

_MIB = 1024 * 1024


def sentence(event: ev.Event) -> str:
    """What happened, in words."""
    return _SENTENCES[type(event)](event)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _because(text: str) -> str:
    return f": {text.strip()}" if text.strip() else ""


def _accepted(event: ev.PodAccepted) -> str:
    names = ", ".join(f"{c.name} ({c.image})" for c in event.containers)
    wants = [_count(event.requested_cpus, "core")] if event.requested_cpus else []
    wants += [f"{event.requested_memory_bytes // _MIB} MiB"] if event.requested_memory_bytes else []
    wants += [_count(event.requested_gpus, "GPU")] if event.requested_gpus and not event.requested_devices else []
    wants += [f"{count} {name}" for name, count in event.requested_devices]
    scratch = event.requested_ephemeral_storage_bytes
    wants += [f"{scratch // _MIB} MiB of ephemeral storage, which is recorded only"] if scratch else []
    asks = f"; asks for {', '.join(wants)}" if wants else ""
    # The group is recorded where the user is not the daemon's own.
    user = f"; runs as user {event.run_as_user}, group {event.run_as_group}" if event.run_as_group is not None else ""
    return f"the pod was accepted: {names}; restartPolicy {event.restart_policy}{asks}{user}" + "".join(
        f"; {text}" for text in event.notes
    )


def _terminated(event: ev.ContainerTerminated) -> str:
    reason = f" ({event.reason})" if event.reason and event.reason not in ("Completed", "Error") else ""
    return f"container {event.container} ended with exit code {event.exit_code}{reason}{_because(event.message)}"


def _started(event: ev.ContainerStarted) -> str:
    again = f", restart {event.attempt}" if event.attempt else ""
    return f"container {event.container} started{again}"


def _health(event: ev.ContainerHealthChanged) -> str:
    if event.ready:
        return f"container {event.container} is ready"
    if event.message:
        return f"container {event.container} is not ready any more{_because(event.message)}"
    return f"container {event.container} has passed its start, but is not ready yet"


_ENDED_FOR = {
    "liveness": "the liveness probe of container {} failed too often, so it is ended",
    "startup": "the startup probe of container {} failed too often, so it is ended",
    "postStart": "the postStart hook of container {} failed, so it is ended",
    "preStop": "the preStop hook of container {} failed",
}


def _unhealthy(event: ev.ContainerUnhealthy) -> str:
    return f"{_ENDED_FOR[event.check].format(event.container)}{_because(event.message)}"


def _ended(what: str) -> Callable[[ev.JobEnded], str]:
    def words(event: ev.JobEnded) -> str:
        details = [f"Slurm says {event.slurm_state}"] if event.slurm_state else []
        details += [f"exit code {event.exit_code}"] if event.exit_code else []
        details += [f"signal {event.signal}"] if event.signal else []
        details += [event.reason] if event.reason not in ("", "Completed", "Error") else []
        in_brackets = f" ({', '.join(details)})" if details else ""
        return f"{what}{in_brackets}{_because(event.message)}"

    return words


def _usage(event: ev.JobUsageRecorded) -> str:
    parts = [f"ran {event.elapsed_seconds} s"] if event.elapsed_seconds is not None else []
    parts += [f"on {_count(event.allocated_cpus, 'core')}"] if event.allocated_cpus else []
    parts += [f"used {event.cpu_seconds:.1f} s of CPU time"] if event.cpu_seconds is not None else []
    parts += [f"at most {event.max_rss_bytes / _MIB:.0f} MiB in one process"] if event.max_rss_bytes else []
    parts += [f"in partition {event.partition}"] if event.partition else []
    return f"accounting: the job {', '.join(parts)}" if parts else "accounting has nothing about the job's usage"


_SENTENCES: dict[type[ev.Event], Callable[[Any], str]] = {
    ev.PodAccepted: _accepted,
    ev.SubmissionStarted: lambda e: f"submission as job {e.job_name} began",
    ev.SubmissionDeferred: lambda e: f"Slurm could not be reached, the submission waits for it{_because(e.reason)}",
    ev.SubmissionFailed: lambda e: f"Slurm refused the job{_because(e.reason)}",
    ev.JobSubmitted: lambda e: f"Slurm took it as job {e.job_id}",
    ev.JobAdopted: lambda e: f"job {e.job_id} of an interrupted submission was found ({e.evidence})",
    ev.SurplusJobCancelled: lambda e: f"job {e.job_id}, a second one of this pod, was cancelled before it ran anything",
    ev.JobQueued: lambda e: f"the job waits in the queue{_because(e.reason)}",
    ev.JobStarted: lambda e: f"the job started on {e.nodes or 'a node'}",
    ev.ImagePullFailed: lambda e: f"the image of container {e.container} could not be had{_because(e.message)}",
    ev.ImagePullBackOff: lambda e: (
        f"the image of container {e.container} could not be had, another try follows in {e.delay_seconds} s"
        f"{_because(e.message)}"
    ),
    ev.ContainerStarted: _started,
    ev.ContainerHealthChanged: _health,
    ev.ContainerUnhealthy: _unhealthy,
    ev.DeadlineExceeded: lambda e: (
        f"the pod's activeDeadlineSeconds ({e.seconds}) are over, so its containers are ended"
    ),
    ev.ContainerTerminated: _terminated,
    ev.ContainerRestarting: lambda e: f"container {e.container} will start again in {e.delay_seconds} s",
    ev.JobSucceeded: _ended("the pod is done"),
    ev.JobFailed: _ended("the pod failed"),
    ev.JobCancelled: _ended("the pod was cancelled"),
    ev.JobUsageRecorded: _usage,
    ev.EvidenceMissing: lambda e: (
        f"Slurm no longer lists the job, and nothing says yet how it ended{_because(e.detail)}"
    ),
    ev.DeletionRequested: lambda e: f"deletion was requested, with {e.grace_seconds} s to end",
    ev.CancellationSent: lambda e: f"Slurm was told to stop the job{f' ({e.signal})' if e.signal else ''}",
    ev.FilesRemoved: lambda _: "the pod's files, with its secrets and logs, were removed",
}
