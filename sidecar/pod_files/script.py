"""The batch script of a pod: a page that a person reads at a glance.

Slurm reads the ``#SBATCH`` lines up to the first command. Then come the claim, the shell texts of the admin and the
user, and the supervisor (:mod:`sidecar.runner`), which reads everything else from ``pod.json``.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import shlex
import tarfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, select_autoescape

from sidecar.domain.plan import JobPlan
from sidecar.domain.pod import Pod
from sidecar.domain.shell_text import as_lines
from sidecar.errors import UnsupportedPod
from sidecar.pod_files import supervisor
from sidecar.pod_files.contents import PodFile, pod_files
from sidecar.pod_files.document import has_shell_text, is_in_mesh
from sidecar.pod_files.paths import PodDirectory
from sidecar.pod_files.site import JobSite
from sidecar.runner.contract import layout

if TYPE_CHECKING:
    from sidecar.runner.contract.node_report import WantedOfNode

OUTPUT_ON_NODE = "/tmp/slurm-sidecar-check-%j.out"  # noqa: S108
"""Where a job of ``check --job`` leaves its output if nodes share no files with the daemon."""
_HERE = Path(__file__).parent


def render(pod: Pod, plan: JobPlan, *, directory: PodDirectory, token: str, site: JobSite) -> str:
    """The text of the pod's batch script.

    :param token: of this submission; in the job's comment, by which it is found again
    :raises UnsupportedPod: the pod's files travel inside the script, and one of them cannot
    """
    _check_mpi(pod, plan, site)
    return _template("job.slurm.j2").render(
        **_begin(site),
        pod=pod,
        directory=directory,
        options=_sbatch_options(plan, directory, f"slurm-sidecar:{pod.uid}:{token}", site),
        has_shell_text=has_shell_text(pod, site),
        in_mesh=is_in_mesh(pod),
        supervisor=supervisor.place(site.data_root),
        supervisor_name=layout.SUPERVISOR,
        archive="" if site.shared_fs else _archive([*pod_files(pod, plan, site), _supervisor_file()]),
    )


def check_script(plan: JobPlan, wanted: WantedOfNode, *, directory: PodDirectory, site: JobSite) -> str:
    """The text of a job that runs no pod, but says what its node can do.

    :param directory: the job's, for its output
    """
    options = [*_sbatch_options(plan, directory, "slurm-sidecar check", site)]
    if not site.shared_fs:
        options.append(f"--output={OUTPUT_ON_NODE}")
    return _template("check.slurm.j2").render(
        **_begin(site),
        options=options,
        supervisor=supervisor.place(site.data_root),
        supervisor_name=layout.SUPERVISOR,
        wanted=json.dumps(wanted),
        archive="" if site.shared_fs else _archive([_supervisor_file()]),
    )


def call_on_this_machine(site: JobSite) -> str:
    """Shell text that starts the supervisor as a job's script does; its first argument is the supervisor's file."""
    return _template("call.sh.j2").render(**_begin(site))


def _begin(site: JobSite) -> dict[str, object]:
    """What every script needs to find the supervisor's Python."""
    return {
        "site": site,
        "usual_pythons": " ".join(supervisor.USUAL_PYTHONS),
        "python_name": site.runner_python or "python3",
    }


def _supervisor_file() -> PodFile:
    return PodFile(PurePosixPath(layout.SUPERVISOR), supervisor.packed(), 0o600)


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
        "lines": as_lines,
        "quote": lambda text: shlex.quote(str(text)),
    }
    return environment.get_template(name)


def _sbatch_options(plan: JobPlan, directory: PodDirectory, comment: str, site: JobSite) -> Iterator[str]:
    """Defaults first, then the pod's own options, then those by which the sidecar finds and follows its job.

    ``--export=ALL`` because the sidecar starts sbatch with a minimal environment; anything else makes Slurm 22.05
    start the user's login shell on the node (``SLURM_GET_USER_ENV``).
    """
    yield "--export=ALL"
    yield "--no-requeue"
    # The limits of the daemon, such as those of a service manager, are not the job's.
    yield "--propagate=NONE"
    yield from plan.sbatch_options
    yield f"--job-name={plan.job_name}"
    yield f"--comment={comment}"
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


def _archive(files: Iterable[PodFile]) -> str:
    """The files as a base64 text of lines; the same files give the same text."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for file in files:
            entry = tarfile.TarInfo(str(file.path))
            entry.size, entry.mode = len(file.content), file.mode
            archive.addfile(entry, io.BytesIO(file.content))
    return base64.encodebytes(gzip.compress(buffer.getvalue(), mtime=0)).decode()
