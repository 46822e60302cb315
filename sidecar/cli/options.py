"""What several verbs share: options, arguments, and the settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sidecar.settings import Settings

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The configuration; else $SLURMCONFIGPATH, else /etc/interlink/SlurmConfig.yaml.",
    ),
]
PluginConfig = Annotated[
    Path | None, typer.Option("--SlurmConfigpath", metavar="FILE", help="As --config; the Go plugin's name for it.")
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Log details too.")]
ErrorsOnly = Annotated[bool, typer.Option("--errorsonly", help="Log errors only.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Namespace = Annotated[str, typer.Option("--namespace", "-n", metavar="NAME", help="The namespace.")]
Manifest = Annotated[Path, typer.Argument(metavar="POD.yaml", help="A kubectl manifest, or - for standard input.")]
PodName = Annotated[str, typer.Argument(metavar="POD", help="A name, namespace/name, UID or the beginning of a UID.")]


def load_settings(config: Path | None) -> Settings:
    """The settings that the person means.

    :raises InvalidSettings: with every problem
    """
    from sidecar.settings import load

    return load(config, os.environ)
