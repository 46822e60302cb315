"""A Python image without any registry: a folder with this machine's own interpreter, which Apptainer can run."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

_LEFT_OUT = shutil.ignore_patterns(
    "test", "__pycache__", "config-*", "idlelib", "tkinter", "ensurepip", "*-packages", "lib2to3", "turtledemo"
)


def make_python_image(root: Path) -> None:
    """Everything at the paths where it is here, and ``python3`` where an image has it."""
    program = Path(sys.executable).resolve()
    library = Path(sysconfig.get_path("stdlib"))
    for path in (program, *_needed_by(program, *library.glob("lib-dynload/*.so"))):
        _copy(path, root)
    shutil.copytree(library, _inside(root, library), ignore=_LEFT_OUT)
    for folder in ("bin", "dev", "etc", "proc", "sys", "tmp", "usr/bin", "var/tmp"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for file in ("passwd", "group"):  # Apptainer adds the user to them
        (root / "etc" / file).touch()
    name = root / "usr" / "bin" / "python3"
    if not name.exists():
        name.symlink_to(program)


def _needed_by(*programs: Path) -> set[Path]:
    """The shared libraries, where the loader finds them."""
    told = subprocess.run(["ldd", *programs], check=True, capture_output=True, text=True).stdout
    return {Path(path) for path in re.findall(r"(/\S+\.so\S*) \(0x", told)}


def _copy(path: Path, root: Path) -> None:
    target = _inside(root, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, target)


def _inside(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")
