"""The verbs about the images that jobs have fetched. Heavy modules are imported by the verb that needs them."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from sidecar.cli.options import AsJson, Config, Namespace, load_settings

app = typer.Typer(help="The images that jobs have fetched.", no_args_is_help=True)


@app.command("list")
def list_images(as_json: AsJson = False, config: Config = None) -> None:
    """List the images in the cache.

    Works while the daemon is down.
    """
    from sidecar.cli import images

    images.show(load_settings(config), as_json=as_json, now=datetime.now(UTC))


@app.command()
def warm(
    names: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="As a pod would name them.")],
    namespace: Namespace = "",
    authfile: Annotated[
        Path | None,
        typer.Option("--authfile", metavar="FILE", help="Logins for registries, as Docker's config.json has them."),
    ] = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Fetch images now, on this machine, so that pods find them.

    An image that needs a login is fetched for the pods of one namespace.
    """
    from sidecar.cli import images

    settings = load_settings(config)
    raise typer.Exit(
        images.warm(settings, names, namespace=namespace, authfile=authfile, environ=os.environ, as_json=as_json)
    )


@app.command()
def prune(
    unused_for: Annotated[
        str, typer.Option("--unused-for", metavar="SPAN", help="Images that no job has used for so long: 12h, 30d.")
    ] = "30d",
    everything: Annotated[bool, typer.Option("--all", help="All images that no job uses.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; remove nothing.")] = False,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Remove images that nobody needs, and what dead jobs have left.

    An image that a job in Slurm's queue uses stays.
    """
    from sidecar.cli import images
    from sidecar.cli.pods import seconds_of

    try:
        span = timedelta(seconds=0 if everything else seconds_of(unused_for))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="'--unused-for'") from error
    now = datetime.now(UTC)
    images.prune(load_settings(config), environ=os.environ, since=now - span, dry_run=dry_run, as_json=as_json, now=now)
