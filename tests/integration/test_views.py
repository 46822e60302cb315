"""The views for people, asked with the real ``sqlite3``, and the page that explains them."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sidecar.store import journal
from sidecar.store.engine import Database
from tests import chronicle
from tests.factories import NOON, accepted, observations, uid

PAGE = (Path(__file__).parents[2] / "docs" / "sql-history.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"\n([^\n]+)\n\n```sql\n(.+?)```", PAGE, re.DOTALL)
VIEWS = ("pods", "pod_history", "containers", "jobs", "daily_usage")
Row = dict[str, Any]


def ask(path: Path, query: str) -> list[Row]:
    """What the program of an administrator prints."""
    answer = subprocess.run(
        ["sqlite3", "-readonly", "-json", str(path), query], capture_output=True, text=True, check=False
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    rows: list[Row] = json.loads(answer.stdout or "[]")
    return rows


@pytest.fixture
def path(database: Database) -> Path:
    """A database with a history of a fortnight, which nobody has open."""
    chronicle.fill(database)
    database.close()
    return database.path


def columns(database_path: Path, view: str) -> list[str]:
    with closing(sqlite3.connect(database_path)) as connection:
        return [row[1] for row in connection.execute(f"PRAGMA table_info({view})")]


def explained(view: str) -> list[str]:
    section = PAGE.split(f"\n### {view}: ")[1].split("\n#")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])]


@pytest.mark.parametrize("view", VIEWS)
def test_the_page_explains_every_column_of_a_view_and_no_other(database_path: Path, view: str) -> None:
    assert sorted(explained(view)) == sorted(columns(database_path, view))


def test_the_page_explains_every_view(database_path: Path) -> None:
    with closing(sqlite3.connect(database_path)) as connection:
        views = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'")}

    assert views == set(VIEWS)
    assert len(QUERIES) == 10


@pytest.mark.parametrize("query", [query for _, query in QUERIES], ids=[title for title, _ in QUERIES])
def test_each_query_of_the_page_runs(path: Path, query: str) -> None:
    # The history lies in a past that the page's "now" does not know.
    rows = ask(path, query.replace("'now'", f"'{NOON:%Y-%m-%d %H:%M:%S}'"))

    assert rows
    assert ask(path, query) or "now" in query


@pytest.mark.parametrize("view", VIEWS)
def test_each_view_holds_something_in_each_column(path: Path, view: str) -> None:
    rows = ask(path, f"SELECT * FROM {view}")

    assert [name for name in columns(path, view) if all(row[name] in (None, "") for row in rows)] == []


def test_a_pod_is_shown_as_it_is(path: Path) -> None:
    (row,) = ask(path, f"SELECT * FROM pods WHERE uid = '{uid(4)}'")

    assert (row["namespace"], row["name"], row["phase"], row["reason"]) == ("bio", "bio-4", "Failed", "OOMKilled")
    assert (row["job_id"], row["slurm_state"], row["nodes"]) == ("4711", "OUT_OF_MEMORY", "node1")
    assert (row["container_count"], row["requested_cpus"], row["requested_memory_mib"]) == (3, 5, 1024)


def test_a_refused_pod_is_no_job(path: Path) -> None:
    (pod,) = ask(path, f"SELECT job_id, message FROM pods WHERE uid = '{uid(7)}'")

    assert (pod["job_id"], "Invalid partition" in pod["message"]) == (None, True)
    assert ask(path, f"SELECT * FROM jobs WHERE pod_uid = '{uid(7)}'") == []


def test_a_job_tells_how_long_it_waited_and_ran_and_what_it_used(path: Path) -> None:
    (row,) = ask(path, f"SELECT * FROM jobs WHERE pod_uid = '{uid(1)}'")

    assert (row["queue_wait_seconds"], row["run_seconds"]) == (pytest.approx(59.9, abs=0.01), 3601)
    assert (row["allocated_cpus"], row["used_cpu_seconds"], row["max_rss_mib"]) == (4, 9000.0, 2048.0)


def test_a_restarted_container_tells_of_its_last_run(path: Path) -> None:
    (row,) = ask(path, f"SELECT * FROM containers WHERE pod_uid = '{uid(2)}'")

    assert (row["restart_count"], row["exit_code"], row["status"]) == (1, 0, "terminated")
    assert row["run_seconds"] == pytest.approx(1729.0, abs=0.01)


def test_days_add_up_to_the_jobs_that_started(path: Path) -> None:
    (total,) = ask(path, "SELECT sum(jobs) AS jobs, sum(done) + sum(failed) + sum(cancelled) AS ended FROM daily_usage")
    (jobs,) = ask(path, "SELECT count(*) AS jobs, sum(phase <> 'Running') AS ended FROM jobs WHERE started_at > ''")

    assert total == jobs
    (day,) = ask(path, "SELECT * FROM daily_usage ORDER BY allocated_core_hours DESC, day LIMIT 1")
    assert day["allocated_core_hours"] > day["used_core_hours"] > 0


def test_the_history_of_a_pod_is_complete(path: Path) -> None:
    rows = ask(path, f"SELECT version, kind FROM pod_history WHERE pod_uid = '{uid(8)}' ORDER BY version")

    assert [row["version"] for row in rows] == list(range(1, len(rows) + 1))
    assert (rows[0]["kind"], rows[-1]["kind"]) == ("pod_accepted", "files_removed")


def test_an_administrator_can_read_while_a_writer_is_busy(database: Database) -> None:
    with database.write() as session:
        journal.append(session, uid(1), observations(accepted()), state=None, now=NOON)

    with database.write() as session:
        journal.append(session, uid(2), observations(accepted()), state=None, now=NOON)
        session.flush()
        assert [row["uid"] for row in ask(database.path, "select * from pods")] == [uid(1)]

    assert len(ask(database.path, "select * from pods")) == 2
