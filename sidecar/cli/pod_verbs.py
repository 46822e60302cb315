"""The verbs about pods. Heavy modules are imported by the verb that needs them."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from sidecar.cli.options import AsJson, Config, Manifest, Namespace, PodName, load_settings

app = typer.Typer()


@app.command()
def submit(
    manifest: Manifest,
    namespace: Namespace = "",
    wait: Annotated[bool, typer.Option("--wait", help="Follow the pod, and end with its exit code.")] = False,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Submit a pod, without Kubernetes.

    Goes through the running daemon. The manifest may bring the ConfigMaps and Secrets that the pod refers to; of a Job,
    CronJob or Deployment the pod template is taken.
    """
    from sidecar.cli import pods as actions

    settings = load_settings(config)
    translation = actions.translated(manifest, namespace, settings)
    raise typer.Exit(actions.submit(settings, translation, wait=wait, as_json=as_json))


@app.command()
def render(manifest: Manifest, namespace: Namespace = "", config: Config = None) -> None:
    """Print the batch script of a pod; submit nothing."""
    from sidecar.cli import pods as actions

    settings = load_settings(config)
    sys.stdout.write(actions.rendered(settings, actions.translated(manifest, namespace, settings)))


@app.command()
def pods(
    deleted_too: Annotated[bool, typer.Option("--all", help="Also pods that were deleted.")] = False,
    namespace: Namespace = "",
    phase: Annotated[str, typer.Option("--phase", metavar="PHASE", help="Only pods in this phase.")] = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """List pods, newest first.

    Works while the daemon is down.
    """
    from sidecar.cli import records, show
    from sidecar.cli.console import note
    from sidecar.drain import Drain

    settings = load_settings(config)
    if words := Drain(settings.database_path).state.sentence:
        note(f"the node is {words}: new pods are refused")
    found = records.pods(settings.database_path, namespace=namespace, phase=_phase(phase), deleted_too=deleted_too)
    show.show_pods(found, as_json=as_json, now=datetime.now(UTC))


@app.command()
def history(pod: PodName, as_json: AsJson = False, config: Config = None) -> None:
    """Tell all that happened to a pod, and who said so.

    Works while the daemon is down.
    """
    from sidecar.cli import records, show

    path = load_settings(config).database_path
    state = records.find(path, pod)
    show.show_history(state, records.history(path, state.uid), as_json=as_json)


@app.command()
def logs(
    pod: PodName,
    container: Annotated[str, typer.Option("--container", "-c", metavar="NAME", help="Which container.")] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the container ends.")] = False,
    previous: Annotated[bool, typer.Option("--previous", "-p", help="Of the run before the last restart.")] = False,
    tail: Annotated[int | None, typer.Option("--tail", min=1, metavar="N", help="Only the last N lines.")] = None,
    since: Annotated[str, typer.Option("--since", metavar="SPAN", help="Only of the last 10s, 5m, 2h or 1d.")] = "",
    timestamps: Annotated[bool, typer.Option("--timestamps", help="The time before each line.")] = False,
    config: Config = None,
) -> None:
    """Print a container's log."""
    from sidecar.cli import pods as actions

    actions.logs(
        load_settings(config),
        pod,
        container,
        follow=follow,
        previous=previous,
        tail=tail or 0,
        since_seconds=_span(since),
        timestamps=timestamps,
    )


@app.command()
def delete(
    pod: PodName,
    grace_seconds: Annotated[
        int | None,
        typer.Option("--grace-period", min=0, metavar="SECONDS", help="How long the containers may take to end."),
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="The same as --grace-period 1.")] = False,
    config: Config = None,
) -> None:
    """Delete a pod.

    Its job is stopped and its files are removed; its history stays.
    """
    from sidecar.cli import pods as actions

    if now and grace_seconds is not None:
        raise typer.BadParameter("give one of them", param_hint="'--now' and '--grace-period'")
    actions.delete(load_settings(config), pod, 1 if now else grace_seconds)


def _phase(text: str) -> str:
    from sidecar.domain.lifecycle import Phase

    if not text:
        return ""
    for phase in Phase:
        if phase.lower() == text.lower():
            return phase
    raise typer.BadParameter(f"{text!r} is not one of {', '.join(Phase)}", param_hint="'--phase'")


def _span(text: str) -> int:
    from sidecar.cli.pods import seconds_of

    try:
        return seconds_of(text) if text else 0
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="'--since'") from error
