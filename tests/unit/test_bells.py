"""Listening to a bell, whatever its user has done to it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import JobFilesError
from sidecar.pod_files import bells
from sidecar.pod_files.bells import Bell, Rings
from sidecar.runner.contract import layout

UID, GID = os.getuid(), os.getgid()
NOTHING = Rings()
UNCLEAR = Rings(unclear=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    bells.prepare(tmp_path, UID, GID)
    return Path(layout.bell(str(tmp_path), UID))


@pytest.fixture
def bell(path: Path, tmp_path: Path) -> Bell:
    """A bell that was listened to once."""
    bell = Bell(tmp_path, UID)
    assert bell.listen() == UNCLEAR
    return bell


def ring(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def names(*names: str) -> Rings:
    return Rings(names=frozenset(names))


def test_a_bell_is_its_users_alone(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o711


def test_preparing_a_bell_again_changes_nothing(path: Path, bell: Bell, tmp_path: Path) -> None:
    ring(path, b"lab-1\n")
    bells.prepare(tmp_path, UID, GID)

    assert bell.listen() == names("lab-1")


def test_a_link_in_a_bells_place_is_replaced_when_it_is_prepared(path: Path, tmp_path: Path) -> None:
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    bells.prepare(tmp_path, UID, GID)

    assert path.is_file()
    assert not path.is_symlink()


def test_what_is_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / layout.BELLS).symlink_to(tmp_path)

    with pytest.raises(JobFilesError):
        bells.prepare(tmp_path, UID, GID)


def test_a_bell_tells_who_has_rung_since_the_last_time(path: Path, bell: Bell) -> None:
    ring(path, b"lab-1\nlab-2\nlab-1\n")

    assert (bell.listen(), bell.listen()) == (names("lab-1", "lab-2"), NOTHING)
    ring(path, b"lab-3\n")
    assert bell.listen() == names("lab-3")


def test_an_unfinished_name_waits_for_its_end(path: Path, bell: Bell) -> None:
    ring(path, b"lab-1\nla")
    first = bell.listen()
    ring(path, b"b-2\n")

    assert (first, bell.listen()) == (names("lab-1"), names("lab-2"))


def test_what_is_no_name_is_passed_over(path: Path, bell: Bell) -> None:
    ring(path, b"../etc\n\n\0\0\nlab-1/..\n" + b"x" * 5000 + b"\n\xff\nlab-1\n")

    assert bell.listen() == names("lab-1")


def test_an_endless_line_is_passed_over(path: Path, bell: Bell) -> None:
    ring(path, b"x" * 5000)
    first = bell.listen()
    ring(path, b"\nlab-1\n")

    assert (first, bell.listen()) == (NOTHING, names("lab-1"))


def test_after_too_much_at_once_anybody_may_have_rung(path: Path, bell: Bell) -> None:
    ring(path, b"lab-1\n" * 50_000)

    assert (bell.listen(), bell.listen()) == (UNCLEAR, NOTHING)


def test_after_a_bell_has_shrunk_or_was_replaced_anybody_may_have_rung(path: Path, bell: Bell) -> None:
    ring(path, b"lab-1\n")
    bell.listen()
    path.write_bytes(b"")
    shrunk = bell.listen()
    path.rename(path.with_name("old"))
    path.write_bytes(b"lab-1\n")

    assert (shrunk, bell.listen(), bell.listen()) == (UNCLEAR, UNCLEAR, NOTHING)


def test_a_bell_that_has_grown_too_large_is_replaced(path: Path, bell: Bell) -> None:
    ring(path, b"lab-1\n" * (bells.MAX_BYTES // 6 + 1))
    bell.listen()

    assert path.stat().st_size == 0
    assert bell.listen() == UNCLEAR
    ring(path, b"lab-1\n")
    assert bell.listen() == names("lab-1")


@pytest.mark.parametrize("forgery", ["none", "link", "pipe", "folder", "closed"])
def test_what_is_put_in_a_bells_place_is_not_heard_and_holds_nobody_up(
    path: Path, tmp_path: Path, forgery: str
) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"lab-1\n")
    path.unlink()
    match forgery:
        case "link":
            path.symlink_to(other)
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "closed":
            path.touch(mode=0)

    assert Bell(tmp_path, UID).listen() == NOTHING


def test_another_users_bell_is_not_heard(path: Path, tmp_path: Path) -> None:
    path.rename(path.with_name(str(UID + 1)))

    assert Bell(tmp_path, UID + 1).listen() == NOTHING


@given(st.lists(st.binary(max_size=20) | st.just(b"\nlab-1\n") | st.just(b"lab-1\n"), max_size=20))
def test_no_bell_makes_the_listener_fail_or_lose_a_name(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("root")
    bells.prepare(folder, UID, GID)
    bell, path = Bell(folder, UID), Path(layout.bell(str(folder), UID))
    bell.listen()
    heard: set[str] = set()
    for part in parts:
        ring(path, part)
        heard |= bell.listen().names

    assert ("lab-1" in heard) == (b"lab-1" in b"".join(parts).rpartition(b"\n")[0].split(b"\n"))
