"""The command ``slurm-sidecar``: one function per verb, and the one place where errors become sentences.

Only light modules are imported at the top, so that ``--help`` and wrong usage answer at once.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from sidecar import __version__
from sidecar.cli import image_verbs, pod_verbs
from sidecar.cli.console import NAME, complain, note, print_json, say
from sidecar.cli.options import AsJson, Config, ErrorsOnly, PluginConfig, Verbose, load_settings
from sidecar.errors import InvalidSettings, SidecarError

app = typer.Typer(
    name=NAME,
    help="The Slurm sidecar of interLink: every Kubernetes pod becomes exactly one Slurm job.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if sys.stdout.isatty() else None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run() -> int:
    """Run the command line of this process and return its exit code."""
    try:
        return app(prog_name=NAME, standalone_mode=False) or 0
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        note(f"{error.format_message().rstrip('.')}; see '{context.command_path if context else NAME} --help'")
        return error.exit_code
    except SidecarError as error:
        complain(error)
        return 2 if isinstance(error, InvalidSettings) else 1
    except OSError as error:
        note(f"{error.filename or 'the system'}: {error.strerror}")
        return 1


@app.callback(invoke_without_command=True)
def _without_verb(
    context: typer.Context,
    plugin_config: PluginConfig = None,
    verbose: Verbose = False,
    errors_only: ErrorsOnly = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """The Slurm sidecar of interLink: every Kubernetes pod becomes exactly one Slurm job.

    Without a verb, but with --SlurmConfigpath, it serves, as interLink's Go plugin does.
    """
    if version:
        say(f"{NAME} {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        if plugin_config or verbose or errors_only or _is_started_as_the_plugin():
            serve(plugin_config=plugin_config, verbose=verbose, errors_only=errors_only)
        else:
            print(context.get_help())
    elif plugin_config or verbose or errors_only:
        raise typer.BadParameter(
            f"belongs after the verb: {NAME} {context.invoked_subcommand} ...",
            param_hint="'--SlurmConfigpath', '--verbose' or '--errorsonly'",
        )


def _is_started_as_the_plugin() -> bool:
    """By a service manager or a container, with the configuration named by the environment alone."""
    from sidecar.settings.loading import PATH_VARIABLE

    return bool(os.environ.get(PATH_VARIABLE)) and not sys.stdin.isatty() and not sys.stdout.isatty()


@app.command()
def serve(
    config: Config = None,
    plugin_config: PluginConfig = None,
    verbose: Verbose = False,
    errors_only: ErrorsOnly = False,
) -> None:
    """Run the daemon, until it is told to stop."""
    from sidecar import bootstrap, logging, settings

    read = settings.load(config or plugin_config, os.environ, verbose=verbose, errors_only=errors_only)
    logging.configure(level=read.log_level, form=read.log_format)
    bootstrap.serve(read, os.environ)


@app.command()
def check(
    config: Config = None,
    image: Annotated[
        Path | None, typer.Option("--image", metavar="FILE", help="Try a container of this image.")
    ] = None,
    job: Annotated[bool, typer.Option("--job", help="Submit a short job, and see what it finds on its node.")] = False,
    flavor: Annotated[str, typer.Option("--flavor", metavar="NAME", help="With --job: one of this flavor.")] = "",
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=1, help="With --job: how long it may take.")
    ] = 60,
    as_json: AsJson = False,
) -> None:
    """Examine the site; exit 1 when something is wrong.

    Looks at the configuration, Slurm, the container runtime, the data folder, the database and the daemon.
    """
    from sidecar.cli import doctor, findings
    from sidecar.cli.doctor_job import Trial

    if flavor and not job:
        raise typer.BadParameter("it means something with --job only", param_hint="'--flavor'")
    trial = Trial(flavor=flavor, image=image, timeout_seconds=timeout) if job else None
    found = doctor.examine(config, os.environ, image=image, job=trial, now=datetime.now(UTC))
    raise typer.Exit(1 if findings.show(found, as_json=as_json) else 0)


app.add_typer(pod_verbs.app)
app.add_typer(image_verbs.app, name="image")


@app.command()
def drain(
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for everybody who asks.")] = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Refuse new pods, and let those that are there finish.

    Holds until undrain, also over a restart of the daemon; also works while the daemon is down.
    """
    from sidecar.cli import upkeep

    upkeep.drain(load_settings(config), " ".join(reason.split()), as_json=as_json, now=datetime.now(UTC))


@app.command()
def undrain(as_json: AsJson = False, config: Config = None) -> None:
    """Take new pods again."""
    from sidecar.cli import upkeep

    upkeep.undrain(load_settings(config), as_json=as_json, now=datetime.now(UTC))


@app.command()
def replay(
    only_check: Annotated[bool, typer.Option("--check", help="Compare only; also beside a running daemon.")] = False,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Build all pods' states anew from their events.

    The daemon must be stopped, but for --check. Exit 1 when a state was different.
    """
    from sidecar.cli import upkeep

    settings = load_settings(config)
    raise typer.Exit(
        upkeep.compare(settings, as_json=as_json) if only_check else upkeep.rebuild(settings, as_json=as_json)
    )


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The copy: a new file.")],
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Copy the database, also beside a running daemon."""
    from sidecar.store import migrate

    saved = migrate.backup(load_settings(config).database_path, target)
    size = saved.stat().st_size
    if as_json:
        print_json({"path": str(saved.absolute()), "bytes": size})
    else:
        say(f"copied to {saved}, {size / 1024:.0f} KiB")
