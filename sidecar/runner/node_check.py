"""What a node can do for jobs, for the daemon's ``check --job``: found out by doing it, inside of a job."""

import json
import os
import sys

from sidecar.runner.contract.node_report import MARK, MAX_TEXT
from sidecar.runner.job import node_name
from sidecar.runner.shell_environment import left_by_shell
from sidecar.runner.system import folders, libc, processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Mapping, Sequence

    from sidecar.runner.contract.node_report import NodeReport, WantedOfNode

_SECONDS = 40
"""For one call of the runtime."""


def check(wanted: "WantedOfNode") -> int:
    """Look at this node, and say all in one line on the standard output."""
    environment = left_by_shell()
    report: "NodeReport" = {
        "node": node_name(environment),
        "python": ".".join(map(str, sys.version_info[:3])),
        "python_path": sys.executable,
        "tmpdir": os.environ.get("TMPDIR") or "/tmp",  # noqa: S108
        "tmpdir_problem": "",
        "data_problem": _write_problem(wanted["folder"]) if wanted["folder"] else "",
        "namespaces_problem": _namespaces_problem(),
        "has_overlay": "overlay" in _words_of("/proc/filesystems"),
        "has_fuse": os.access("/dev/fuse", os.R_OK | os.W_OK),
        "runtime": "",
        "runtime_problem": "",
        "has_container": False,
        "container_problem": "",
        "overlay_problem": "",
    }
    report["tmpdir_problem"] = _write_problem(report["tmpdir"])
    _Runtime(wanted, environment).look(report)
    print(f"\n{MARK}{json.dumps(report)}", flush=True)
    return 0


def _write_problem(folder: str) -> str:
    """Why nothing can be made in a folder, or ``""``."""
    path = os.path.join(folder, f".slurm-sidecar-check.{os.getpid()}")
    try:
        folders.write_private(path, "x")
        os.unlink(path)
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def _words_of(path: str) -> "List[str]":
    try:
        with open(path) as file:
            return file.read().split()
    except OSError:
        return []


def _namespaces_problem() -> str:
    """Why this user cannot make a user namespace, or ``""``."""
    pid = os.fork()
    if pid == 0:
        os._exit(libc.leave_user_namespace())
    code = os.waitpid(pid, 0)[1] >> 8
    return os.strerror(code) if code else ""


class _Runtime:
    """The container runtime, called as for a pod."""

    def __init__(self, wanted: "WantedOfNode", environment: "Mapping[bytes, bytes]") -> None:
        from sidecar.runner.containers.environment import of_runtime
        from sidecar.runner.node.image_pull import Shell

        self._wanted = wanted
        self._shell = Shell(wanted["bash"], wanted["runtime_prefix"], of_runtime(environment, ""))

    def look(self, report: "NodeReport") -> None:
        """Find its version, and start a container if there is an image."""
        program, is_enroot = self._wanted["runtime_program"], self._wanted["runtime"] == "enroot"
        path = self._shell.environment.get(b"PATH", os.defpath.encode()).decode("utf-8", "surrogateescape")
        code, words = self._run([program, "version" if is_enroot else "--version"])
        report["runtime"] = f"{processes.which(program, path)}, {words}"
        if code != 0:
            report["runtime"], report["runtime_problem"] = "", words or f"it ended with code {code}"
            return
        if self._wanted["image"] and not is_enroot:
            self._start_container(report)

    def _start_container(self, report: "NodeReport") -> None:
        private = folders.make_folder(os.path.join(report["tmpdir"], "slurm-sidecar-check"))
        report["has_container"] = True
        try:
            problem = self._container_problem(os.path.join(private, "first"), writable=self._wanted["writable"])
            if problem and self._wanted["writable"]:
                report["overlay_problem"] = problem
                problem = self._container_problem(os.path.join(private, "second"), writable=False)
            report["container_problem"] = problem
        finally:
            folders.remove_tree(private)

    def _container_problem(self, folder: str, *, writable: bool) -> str:
        from sidecar.runner.runtimes.apptainer import start_call

        overlay = os.path.join(folder, "overlay")
        for name in ("upper", "work"):
            os.makedirs(os.path.join(overlay, name))
        call = start_call(
            self._wanted["runtime_program"],
            image=self._wanted["image"],
            binds=(),
            options=self._wanted["runtime_options"],
            work=folder,
            overlay=overlay if writable else "",
            words=["true"],
        )
        code, words = self._run(call)
        return (words or f"it ended with code {code}") if code else ""

    def _run(self, argv: "Sequence[str]") -> "tuple[int, str]":
        """The code of a call, and the last line of what it said."""
        import subprocess

        try:
            done = subprocess.run(
                self._shell.call(list(argv)),
                env=dict(self._shell.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return 1, f"{argv[0]} did not end within {_SECONDS} s"
        except OSError as error:
            return 127, f"{argv[0]}: {error.strerror}"
        lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
        return done.returncode, lines[-1][:MAX_TEXT] if lines else ""
