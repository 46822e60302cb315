"""The program's compiled code, kept beside it for one version of Python."""

import marshal
import os
import sys
import zipfile
from importlib.util import MAGIC_NUMBER

_UNCHECKED = b"\x01\0\0\0" + b"\0" * 8
"""The header's end: the code need not be compared with its source, which never changes under the program's name.

Source: https://peps.python.org/pep-0552/
"""
_OLD = b"\0" * 8
"""The same for Python 3.6: no time, no size."""


def keep_compiled(program: str) -> str:
    """Compile all modules in the program's file; return the path of the result.

    :raises OSError: it cannot be written beside the program
    """
    path = f"{program[: -len('.pyz')]}.{sys.implementation.cache_tag}.zip"
    beside = f"{path}.{os.getpid()}"
    header = MAGIC_NUMBER + (_UNCHECKED if sys.version_info >= (3, 7) else _OLD)
    try:
        with zipfile.ZipFile(program) as source, zipfile.ZipFile(beside, "w") as target:
            for name in source.namelist():
                if name.endswith(".py") and name != "__main__.py":
                    code = compile(source.read(name), name, "exec", dont_inherit=True, optimize=2)
                    target.writestr(zipfile.ZipInfo(f"{name}c", (1980, 1, 1, 0, 0, 0)), header + marshal.dumps(code))
        os.chmod(beside, 0o444)
        os.rename(beside, path)
    finally:
        if os.path.exists(beside):
            os.unlink(beside)
    return path
