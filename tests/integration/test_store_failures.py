"""What can be wrong with a database file and the place it is in: said clearly, with the way out, nothing destroyed."""

from __future__ import annotations

import os
import resource
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from sidecar.errors import AlreadyRunning, StoreError
from sidecar.store import engine, filesystem, journal, migrate
from sidecar.store.engine import Database
from tests.factories import NOON, accepted, observations, uid

NOBODY = 65534


def fill(database: Database, numbers: range = range(200)) -> None:
    with database.write() as session:
        for number in numbers:
            journal.append(session, uid(number), observations(accepted()), state=None, now=NOON)


def count(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        counted: int = connection.execute("SELECT count(*) FROM events").fetchone()[0]
        return counted


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """No file of this process can grow beyond so many bytes: a full disk, as far as writers can tell."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def ordinary_user(path: Path) -> Iterator[None]:
    """Modes of files do not bind root."""
    if os.geteuid() != 0:
        yield
        return
    os.chown(path, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_full_disk_is_told_and_changes_nothing(database: Database) -> None:
    fill(database, range(1))
    database.close()  # the next writer begins a new write-ahead log

    with files_limited_to(64 * 1024), pytest.raises(StoreError, match=r"is full or failing .*; free some space$"):
        fill(database, range(1, 2000))

    assert count(database.path) == 1
    fill(database, range(1, 2000))
    assert count(database.path) == 2000


def test_a_database_in_a_place_that_cannot_be_written_is_told() -> None:
    path = Path("/proc/sidecar/sidecar.db")

    with pytest.raises(StoreError, match=f"{path} cannot be opened: .*; see DatabasePath$"):
        engine.prepare_folder(path)
    with pytest.raises(StoreError, match=f"{path} cannot be written .*; check its owner, mode and file system$"):
        Database(path).check()


def test_a_read_only_file_is_told() -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "sidecar.db"
        with ordinary_user(Path(name)):
            migrate.upgrade(path, now=NOON)
            path.chmod(0o400)
            with pytest.raises(StoreError, match=r"cannot be written .*readonly database"):
                Database(path, journal_mode="delete").check()
            Path(name).chmod(0o700)


@pytest.mark.parametrize("damage", ["text", "header", "middle", "cut"])
def test_a_damaged_file_is_told_with_the_way_out_and_left_as_it_is(database: Database, damage: str) -> None:
    fill(database)
    database.close()
    path = database.path
    content = path.read_bytes()
    garbage = b"\xde\xad\xbe\xef" * 1024
    path.write_bytes(
        {
            "text": b"this is no database, it is a text of more than a few bytes\n" * 100,
            "header": b"\0" * 100 + content[100:],
            "middle": content[:4096] + garbage + content[8192:],
            "cut": content[: len(content) // 2],
        }[damage]
    )
    broken = path.read_bytes()

    with pytest.raises(StoreError, match="put back a copy made by 'slurm-sidecar backup'") as caught:
        migrate.upgrade(path, now=NOON)

    assert str(path) in str(caught.value)
    assert "move the file away to start with an empty history" in str(caught.value)
    assert path.read_bytes() == broken


def test_damage_that_shows_while_serving_is_told(database: Database) -> None:
    fill(database)
    database.close()
    content = database.path.read_bytes()
    database.path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))

    with pytest.raises(StoreError, match=r"is damaged .*put back a copy"), database.read() as session:
        list(journal.replayed(session))


def test_the_folder_and_the_file_are_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "sidecar.db"

    engine.prepare_folder(path)

    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "sidecar.db"
    path.touch(mode=0o644)

    engine.prepare_folder(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_something_else_in_the_files_place_is_told(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "sidecar.db"
    if kind == "link":
        path.symlink_to(tmp_path / "elsewhere.db")
    else:
        path.mkdir()

    with pytest.raises(StoreError, match=r"cannot be opened: .*; see DatabasePath$"):
        engine.prepare_folder(path)


def test_a_second_daemon_is_kept_off_and_told_who_is_there(database_path: Path) -> None:
    with (
        engine.single_instance(database_path),
        pytest.raises(AlreadyRunning, match=rf"another slurm-sidecar \(process {os.getpid()}\) is using the database"),
        engine.single_instance(database_path),
    ):
        pass

    with engine.single_instance(database_path):
        pass


def test_the_lock_ends_with_its_process(database_path: Path) -> None:
    child = os.fork()
    if child == 0:
        with engine.single_instance(database_path):
            os._exit(0)  # without any cleaning up, as by kill -9
    os.waitpid(child, 0)

    with engine.single_instance(database_path):
        pass


MOUNTINFO = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:50 / /home rw shared:5 - nfs4 server:/home rw,vers=4.2
31 30 8:2 / /home/local rw - xfs /dev/sdb1 rw
32 22 0:51 / /scratch\\040big rw,relatime - lustre mds@tcp:/scratch rw
33 22 0:52 / /größe rw - beegfs beegfs_nodev rw
34 22 0:53 / /mnt rw - nfs4 server:/old rw
35 22 8:3 / /mnt rw - ext4 /dev/sdc1 rw
36 22 0:54 / /cut
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/sidecar", "ext4"),
        ("/home/me/.local", "nfs4"),
        ("/home/local/me", "xfs"),
        ("/homes", "ext4"),
        ("/scratch big/me", "lustre"),
        ("/größe/me", "beegfs"),
        ("/mnt/x", "ext4"),
        ("/cut/x", "ext4"),
    ],
)
def test_the_file_system_of_a_path_is_that_of_the_nearest_mount(path: str, kind: str) -> None:
    assert filesystem.type_of(Path(path), MOUNTINFO) == kind


def test_this_machines_own_memory_file_system_is_local() -> None:
    assert filesystem.network_file_system(Path("/proc")) == ""


def test_the_write_ahead_log_is_refused_on_a_network_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "network_file_system", lambda path: "nfs4")
    path = Path("/home/me/sidecar.db")

    with pytest.raises(
        StoreError, match=r"\(nfs4\).*set DatabasePath to a local disk, or DatabaseJournalMode: delete$"
    ):
        engine.refuse_network_file_system(path, "wal")
    engine.refuse_network_file_system(path, "delete")


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_the_journal_mode_is_the_sites(database_path: Path, mode: str) -> None:
    database = Database(database_path, journal_mode=mode)
    fill(database, range(3))
    database.close()

    with closing(sqlite3.connect(database_path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == (mode,)
    assert count(database_path) == 3
