"""Whether the container runtime works on this machine: by starting a container."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from sidecar.cli.findings import Finding, ok, problem, warning
from sidecar.errors import SlurmError
from sidecar.settings import Settings
from sidecar.slurm.process import Answer, Call, run

_SECONDS = 60.0
_OF_THE_MACHINE = ("usr", "lib", "lib64", "bin")
_EMPTY = ("dev", "etc", "home", "proc", "root", "sys", "tmp", "var/tmp")


def examine(settings: Settings, environ: Mapping[str, str], image: Path | None) -> Iterator[Finding]:
    """The runtime's version, and a container of ``image`` or, without one, of this machine's own programs."""
    program = shutil.which(settings.runtime_program, path=settings.search_path)
    if program is None:
        yield warning(
            "runtime",
            f"{settings.runtime_program} is not on this machine; the compute nodes need it, here or under "
            f"{'EnrootPath' if settings.runs_enroot else 'SingularityPath'}",
        )
    elif settings.runs_enroot:
        yield _version([program, "version"], "EnrootPath", environ)
    elif image is not None and not image.exists():
        yield problem("runtime", f"there is no image {image}; give --image the path of a SIF file")
    else:
        yield _version([program, "--version"], "SingularityPath", environ)
        yield _container(program, settings.singularity_default_options, environ, image)


def _version(argv: Sequence[str], key: str, environ: Mapping[str, str]) -> Finding:
    answer = _run(argv, environ)
    if answer.code:
        return problem("runtime", f"{argv[0]} does not tell its version: {_last_word(answer)}; see {key}")
    return ok("runtime", f"{argv[0]}, {answer.stdout.strip()}")


def _container(program: str, options: Sequence[str], environ: Mapping[str, str], image: Path | None) -> Finding:
    with TemporaryDirectory(prefix="slurm-sidecar-check-") as folder:
        binds, source = ([], str(image.absolute())) if image is not None else _own_root(Path(folder))
        answer = _run([program, "exec", *options, *binds, source, "/bin/sh", "-c", "exit 0"], environ)
    what = f"a container of {image}" if image is not None else "a container of this machine's own programs"
    if answer.code:
        return problem("container", f"{program} cannot start {what} here: {_last_word(answer)}")
    return ok("container", f"{program} started {what} here")


def _own_root(folder: Path) -> tuple[list[str], str]:
    """A root directory that needs no image: this machine's programs, shown read-only in an empty one."""
    for name in (*_OF_THE_MACHINE, *_EMPTY):
        (folder / name).mkdir(parents=True)
    shown = [name for name in _OF_THE_MACHINE if Path("/", name).exists()]
    return [f"--bind=/{name}:/{name}:ro" for name in shown], str(folder)


def _run(argv: Sequence[str], environ: Mapping[str, str]) -> Answer:
    passed_on = {name: environ[name] for name in ("PATH", "HOME", "USER", "TMPDIR") if name in environ}
    try:
        return run(Call(argv=argv, environment=passed_on, timeout_seconds=_SECONDS))
    except SlurmError as error:
        return Answer(code=1, stderr=str(error))


def _last_word(answer: Answer) -> str:
    return (answer.stderr.strip().splitlines()[-1:] or ["it said nothing"])[0]
