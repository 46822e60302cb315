"""From the file and the environment to :class:`Settings`, or to the list of everything that is wrong."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sidecar.domain import planning
from sidecar.errors import InvalidSettings, UnsupportedPod
from sidecar.settings.document import Value, read_document
from sidecar.settings.model import Settings, Tracing
from sidecar.settings.reading import Reader, Setting, settings_of

DEFAULT_PATH = Path("/etc/interlink/SlurmConfig.yaml")
PATH_VARIABLE = "SLURMCONFIGPATH"
_RECORDS = "the sidecar keeps its own records and does not ask Kubernetes"
_OTHER_PROGRAM = "it is a setting of interLink's other programs"
IGNORED_KEYS = {
    "VKConfigPath": _RECORDS,
    "InterlinkURL": _OTHER_PROGRAM,
    "InterlinkPort": _OTHER_PROGRAM,
    "SidecarURL": _OTHER_PROGRAM,
}
"""Keys found in the files of sites that run the plugin, which it ignores too, and why we do."""
IGNORED_VARIABLES = {"CUSTOMKUBECONF": _RECORDS}


def load(
    path: Path | None,
    environ: Mapping[str, str],
    *,
    verbose: bool = False,
    errors_only: bool = False,
    uid: int | None = None,
) -> Settings:
    """Read the configuration.

    :param path: the file; by default the one ``SLURMCONFIGPATH`` names, else the plugin's usual place
    :param verbose: log details, whatever the file says; wins over ``errors_only``
    :param uid: the user the daemon runs as; by default this process's
    :raises InvalidSettings: with every problem, each with its file and line
    """
    config_path = (path or Path(environ.get(PATH_VARIABLE) or DEFAULT_PATH)).absolute()
    reader = Reader(environ, os.getuid() if uid is None else uid)
    entries = _known_entries(config_path, reader)
    settings = _read(config_path, entries, reader)
    if problems := [*reader.problems, *_contradictions(settings, entries)]:
        raise InvalidSettings(problems)
    return replace(
        settings,
        remarks=tuple(_remarks(settings, entries, environ)),
        verbose_logging=verbose or (settings.verbose_logging and not errors_only),
        errors_only_logging=not verbose and (errors_only or settings.errors_only_logging),
    )


def _known_entries(path: Path, reader: Reader) -> dict[str, Value]:
    names = [setting.key for setting in settings_of(Settings).values() if setting.key]
    return reader.known(read_document(path).entries(), [*names, *IGNORED_KEYS])


def _read(path: Path, entries: Mapping[str, Value], reader: Reader) -> Settings:
    own, tracing = settings_of(Settings), settings_of(Tracing)
    values = reader.table(entries, [*own.values(), *tracing.values()])

    def fields(of: Mapping[str, Setting]) -> dict[str, Any]:
        return {name: values[setting.name] for name, setting in of.items()}

    return Settings(**fields(own), tracing=Tracing(**fields(tracing)), config_path=path, remarks=(), uid=reader.uid)


def _contradictions(settings: Settings, entries: Mapping[str, Value]) -> Iterator[str]:
    """What is wrong although every single value is right."""
    flavors_unread = "Flavors" in entries and not entries["Flavors"].is_empty and not settings.flavors
    if settings.default_flavor and settings.default_flavor not in settings.flavors and not flavors_unread:
        known = ", ".join(settings.flavors) or "none"
        problem = entries["DefaultFlavor"].problem(
            f"is {settings.default_flavor!r}, which is not one of Flavors ({known})."
        )
        yield from problem.problems
    if settings.tsocks and not settings.tsocks_path.startswith("/"):
        yield "Tsocks is true, so TsocksPath must be the absolute path of libtsocks.so on the compute nodes."
    if settings.tsocks and not settings.tsocks_login_node:
        yield "Tsocks is true, so TsocksLoginNode must name the host where the tunnel leads."
    tracing = settings.tracing
    if tracing.enabled and bool(tracing.client_key_path) != bool(tracing.client_crt_path):
        yield (
            "environment: TELEMETRY_CLIENT_KEY_FILEPATH and TELEMETRY_CLIENT_CRT_FILEPATH belong together;"
            " set both or neither."
        )


def _remarks(settings: Settings, entries: Mapping[str, Value], environ: Mapping[str, str]) -> Iterator[str]:
    """What the log shall say once."""
    for key in filter(IGNORED_KEYS.__contains__, entries):
        yield f"{entries[key].place}: {key} is accepted and unused: {IGNORED_KEYS[key]}."
    for variable in filter(environ.get, IGNORED_VARIABLES):
        yield f"environment: {variable} is accepted and unused: {IGNORED_VARIABLES[variable]}."
    yield from _remarks_on_who_may_run_jobs(settings)
    if settings.tracing.enabled and settings.tracing.insecure_skip_verify:
        yield (
            "environment: TELEMETRY_INSECURE_SKIP_VERIFY cannot be honoured: gRPC for Python always verifies;"
            " give the collector's own certificate as TELEMETRY_CA_CRT_FILEPATH."
        )
    for name, flavor in settings.flavors.items():
        try:
            planning.flavor_flags(flavor, settings.policy)
        except UnsupportedPod as error:
            yield f"{entries['Flavors'].place}: Flavors.{name}: its pods will be refused: {error}"
    for option in settings.singularity_default_options:
        if "$" in option:
            yield f"SingularityDefaultOptions: {option!r} reaches the runtime as written; no shell expands it."


def _remarks_on_who_may_run_jobs(settings: Settings) -> Iterator[str]:
    if settings.socket is None and not ipaddress.ip_address(settings.listen_address).is_loopback:
        yield (
            f"ListenAddress is {settings.listen_address}: interLink's protocol has no authentication, so everybody"
            " who reaches this address can run jobs as the daemon's user."
        )
    elif settings.socket is None and settings.uid == 0:
        yield (
            "SidecarPort is open to every user of this machine, and the daemon runs as root: whoever reaches it can run"
            " jobs as DefaultUID and as AllowedUIDs; set Socket instead."
        )
    if settings.allowed_uids and settings.uid != 0:
        yield "AllowedUIDs is unused: only a daemon that runs as root can run jobs as another user."
