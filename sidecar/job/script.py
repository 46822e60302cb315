"""The batch script of a pod: a pure function from what is planned to the text sbatch is given.

Slurm reads the ``#SBATCH`` lines up to the first command. Then come the runner (``runner/*.sh``, the same in every
script), this pod's data, and the shell texts of the admin and the user, which run after the job has claimed the pod.
"""

from __future__ import annotations

import base64
import gzip
import io
import shlex
import tarfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, select_autoescape

from sidecar.domain.plan import JobPlan
from sidecar.domain.pod import (
    ClaimVolume,
    Container,
    ContainerRole,
    EmptyDirVolume,
    FilesVolume,
    Mount,
    Pod,
    Volume,
)
from sidecar.errors import UnsupportedPod
from sidecar.job import images
from sidecar.job.contents import PodFile, login_path, pod_files
from sidecar.job.paths import PodDirectory
from sidecar.job.site import JobSite

_HERE = Path(__file__).parent
_RUNNER_PARTS = (
    "basics",
    "logs",
    "apptainer",
    "images",
    "mounts",
    "names",
    "root",
    "network",
    "devices",
    "mpi",
    "inside",
    "health",
    "ending",
    "containers",
    "jobscript",
    "run",
)
_ONLY_APPTAINER = frozenset({"root"})
"""What ``enroot.sh`` has of its own."""
_MESH_MARK = "> $TMPDIR/mesh.sh"
"""Where a pre-exec text of interLink's full-mesh mode writes its script."""


def render(pod: Pod, plan: JobPlan, *, directory: PodDirectory, token: str, site: JobSite) -> str:
    """The text of the pod's batch script.

    :param token: of this submission; in the job's comment, by which it is found again
    :raises UnsupportedPod: the pod's files travel inside the script, and one of them cannot
    """
    options = pod.options
    _check_mpi(pod, plan, site)
    return _template("job.slurm.j2").render(
        pod=pod,
        plan=plan,
        directory=directory,
        site=site,
        runner=_runner(_parts(site.runtime)),
        options=_sbatch_options(pod, plan, directory, token, site),
        mpi=_mpi(options.mpi_flags),
        line_text=f"{site.runtime_prefix} {options.runtime_commands}".strip(),
        in_mesh=_MESH_MARK in options.pre_exec,
        init_names=_names(plan, ContainerRole.INIT, ContainerRole.SIDECAR),
        sidecar_names=_names(plan, ContainerRole.SIDECAR),
        main_names=_names(plan, ContainerRole.MAIN),
        disk_volumes=[v.name for v in _empty_dirs(pod) if not v.in_memory],
        memory_volumes=[v.name for v in _empty_dirs(pod) if v.in_memory],
        keys=lambda planned: images.cache_keys(planned, pod.namespace),
        login_file=login_path,
        mounts={p.container.name: _mount_words(p.container, pod) for p in plan.containers},
        host_aliases=[" ".join(alias) for alias in pod.names.aliases],
        resolver="none" if not pod.names.has_resolver else "own" if pod.names.resolver_is_own else "more",
        names={p.container.name: _names_of(p.container) for p in plan.containers},
        archive="" if site.shared_fs else _archive(pod_files(pod, plan)),
    )


def warm(image: str, key: str, *, namespace: str, login_file: str, site: JobSite) -> str:
    """The text of a script that fetches an image as a job would.

    :param image: as the runtime is given it
    :param namespace: whose it is, where there is a login
    """
    return _template("warm.sh.j2").render(
        site=site,
        runner=_runner(_parts(site.runtime, ("apptainer", "images"))),
        image=image,
        key=key,
        namespace=namespace,
        login_file=login_file,
    )


@cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=select_autoescape(enabled_extensions=()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "directive": directive,
        "quote": lambda text: shlex.quote(str(text)),
        "words": lambda words: f"({shlex.join(words)})",
        "yes": lambda value: "yes" if value else "no",
    }
    return environment.get_template(name)


@cache
def _runner(parts: tuple[str, ...]) -> str:
    """The runner's files as one text, without their headers for shellcheck."""
    texts = [(_HERE / "runner" / f"{part}.sh").read_text() for part in parts]
    return "\n".join(text.split("\n", 2)[2] for text in texts)


def _parts(runtime: str, parts: tuple[str, ...] = _RUNNER_PARTS) -> tuple[str, ...]:
    if runtime != "enroot":
        return parts
    return tuple("enroot" if part == "apptainer" else part for part in parts if part not in _ONLY_APPTAINER)


def _sbatch_options(pod: Pod, plan: JobPlan, directory: PodDirectory, token: str, site: JobSite) -> Iterator[str]:
    """Defaults first, then the pod's own options, then those by which the sidecar finds and follows its job.

    ``--export=ALL`` because the sidecar starts sbatch with a minimal environment; anything else makes Slurm 22.05
    start the user's login shell on the node (``SLURM_GET_USER_ENV``).
    """
    yield "--export=ALL"
    yield "--no-requeue"
    yield from plan.sbatch_options
    yield f"--job-name={plan.job_name}"
    yield f"--comment=slurm-sidecar:{pod.uid}:{token}"
    yield f"--chdir={directory.root}" if site.shared_fs else "--chdir=/tmp"
    # A percent sign begins a pattern of its own in file names.
    yield f"--output={str(directory.output).replace('%', '%%')}" if site.shared_fs else "--output=/dev/null"
    yield "--open-mode=append"


def directive(option: str) -> str:
    """An option as one word of an ``#SBATCH`` line.

    sbatch splits these lines itself: double quotes keep white space and ``#``, a backslash keeps the next character,
    even between single quotes, but does not keep a space (tried with 22.05).
    """
    name, equals, value = option.partition("=")
    if not any(character.isspace() or character in "\"'\\#" for character in value):
        return option
    escaped = "".join(f"\\{c}" if c in "\"'\\" else c for c in value)
    return f'{name}{equals}"{escaped}"'


def _check_mpi(pod: Pod, plan: JobPlan, site: JobSite) -> None:
    """Without shared files there is no log in which the job itself could say it."""
    nodes = [option for option in plan.sbatch_options if option.startswith("--nodes=") and option != "--nodes=1"]
    if nodes and pod.options.mpi_flags is not None and not site.shared_fs:
        raise UnsupportedPod(
            f"annotation slurm-job.vk.io/mpi-flags with {nodes[0]}: the nodes share no files here (SHARED_FS=false)"
        )


def _mpi(flags: tuple[str, ...] | None) -> str:
    """The words before the runtime's. Slurm sets SLURM_NTASKS only in jobs that ask for tasks."""
    if flags is None:
        return ""
    return " ".join(["mpiexec", "-np", '"${SLURM_NTASKS:-1}"', *map(shlex.quote, flags)])


def _names(plan: JobPlan, *roles: ContainerRole) -> list[str]:
    return [p.container.name for p in plan.containers if p.container.role in roles]


def _empty_dirs(pod: Pod) -> list[EmptyDirVolume]:
    return [volume for volume in pod.volumes if isinstance(volume, EmptyDirVolume)]


def _names_of(container: Container) -> str:
    """Words: those of the pod's own files in ``/etc`` that no volume takes the place of."""
    taken = {mount.path for mount in container.mounts}
    return "".join(f" {name}" for name in ("hosts", "resolv.conf") if f"/etc/{name}" not in taken)


def _mount_words(container: Container, pod: Pod) -> list[str]:
    """Arguments of ``sidecar_mount``, one line a mount; an outer path comes before what is mounted inside it."""
    mounts = sorted(container.mounts, key=lambda mount: len(Path(mount.path).parts))
    return [shlex.join(_mount(mount, pod.by_volume[mount.volume])) for mount in mounts]


def _mount(mount: Mount, volume: Volume) -> Iterable[str]:
    is_read_only = (
        mount.read_only or isinstance(volume, FilesVolume) or (isinstance(volume, ClaimVolume) and volume.read_only)
    )
    read_only = "ro" if is_read_only else "rw"
    place = (mount.sub_path, mount.path, read_only)
    if isinstance(volume, FilesVolume):
        return ("files", volume.name, *place)
    if isinstance(volume, EmptyDirVolume):
        return ("memory" if volume.in_memory else "disk", volume.name, *place)
    if isinstance(volume, ClaimVolume):
        return ("claim", volume.path, *place)
    return ("host", volume.path, *place, volume.type)


def _archive(files: Iterable[PodFile]) -> str:
    """The files as a base64 text of lines; the same files give the same text."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for file in files:
            entry = tarfile.TarInfo(str(file.path))
            entry.size, entry.mode = len(file.content), file.mode
            archive.addfile(entry, io.BytesIO(file.content))
    return base64.encodebytes(gzip.compress(buffer.getvalue(), mtime=0)).decode()
