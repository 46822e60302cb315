"""Temporary folders: made under a name that is not taken, and removed with whatever containers left in them."""

import os

_TRIES = 100


def make_folder(prefix: str) -> str:
    """Make a folder for this user alone, whose path is the prefix and a random word.

    :raises OSError: it cannot be made
    """
    for _ in range(_TRIES - 1):
        try:
            return _make(prefix)
        except FileExistsError:
            continue
    return _make(prefix)


def _make(prefix: str) -> str:
    path = f"{prefix}.{os.urandom(5).hex()}"
    os.mkdir(path, 0o700)
    return path


def make_below(path: str) -> None:
    """Make a folder, with those above it, that everybody may read, whatever this process's umask is.

    :raises OSError: it cannot be made
    """
    umask = os.umask(0o022)
    try:
        os.makedirs(path, exist_ok=True)
    finally:
        os.umask(umask)


def make_file(path: str) -> None:
    """Make an empty file, with the folders above it, that everybody may read; one that is there stays as it is.

    :raises OSError: it cannot be made
    """
    make_below(os.path.dirname(path))
    umask = os.umask(0o022)
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o666))
    finally:
        os.umask(umask)


def write_private(path: str, content: str, mode: int = 0o600) -> None:
    """Write a file that nobody else may read, unless ``mode`` says otherwise.

    :raises OSError: it cannot be written
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        os.fchmod(descriptor, mode)
        file.write(content)


def remove_tree(path: str) -> None:
    """Remove a folder with everything in it, also folders whose owner (this user) may not write there.

    What cannot be removed stays, without a word.
    """
    try:
        _remove_tree(path)
    except (OSError, RecursionError):
        # Deeper than paths may be long, or changing meanwhile: these programs are made for that.
        for words in (("chmod", "-Rf", "u+rwX", "--", path), ("rm", "-rf", "--", path)):
            os.spawnvp(os.P_WAIT, words[0], words)


def _remove_tree(path: str) -> None:
    try:
        os.chmod(path, 0o700)
        with os.scandir(path) as entries:
            below = [(entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries]
    except FileNotFoundError:
        return
    for entry, is_folder in below:
        if is_folder:
            _remove_tree(entry)
        else:
            os.unlink(entry)
    os.rmdir(path)
