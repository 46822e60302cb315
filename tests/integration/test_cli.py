"""The real command in processes of its own, against a real daemon that cannot reach any Slurm."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sidecar import __version__
from sidecar.domain import events as ev
from sidecar.domain.events import Source
from sidecar.domain.observe import Observation
from sidecar.domain.pod import ContainerRole, RestartPolicy
from sidecar.pod_files.paths import PodDirectory
from sidecar.store import engine, journal, migrate

UID = "7f3c1a52-9b1e-4f6a-8f0e-2f5f6f1f0a11"
TWIN = "7f3c1a52-0000-4f6a-8f0e-2f5f6f1f0a12"
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LOG = b"first line\nsecond \xff line\nlast line\n"
POD = """
kind: Pod
metadata: {{name: {name}{more}}}
spec: {{restartPolicy: Never, containers: [{{name: main, image: /images/busybox.sif, command: [id]}}]}}
"""


@dataclass(frozen=True)
class Site:
    """A folder with a configuration, and the command that uses it."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def database(self) -> Path:
        return self.folder / "db" / "sidecar.db"

    def configure(self) -> None:
        self.config.write_text(
            f"Socket: {self.folder}/s.sock\nDataRootFolder: {self.folder}/jobs\nDatabasePath: {self.database}\n"
            + "".join(f"{name}Path: {self.folder}/no-{name}\n" for name in ("Sbatch", "Squeue", "Scancel", "Sinfo"))
            + f"SacctPath: {self.folder}/no-sacct\nSingularityPath: {self.folder}/no-runtime\n"
        )

    @property
    def config(self) -> Path:
        return self.folder / "SlurmConfig.yaml"

    def manifest(self, name: str = "demo", more: str = "") -> str:
        path = self.folder / f"{name}.yaml"
        path.write_text(POD.format(name=name, more=more))
        return str(path)

    def start(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "SLURMCONFIGPATH": str(self.config)}
        return subprocess.Popen(
            [sys.executable, "-m", "sidecar", *words],
            env=environ | self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=options.pop("stderr", subprocess.PIPE),
            **options,
        )

    def run(self, *words: str) -> Answer:
        process = self.start(*words)
        out, err = process.communicate(timeout=60)
        return Answer(process.returncode, out, err.decode())

    @contextmanager
    def daemon(self) -> Iterator[subprocess.Popen[bytes]]:
        with (self.folder / "daemon.log").open("wb") as log:
            process = self.start("serve", stderr=log)
        try:
            wait_until(lambda: self._answers(process))
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=60)

    def _answers(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.poll() is None, (self.folder / "daemon.log").read_text()
        return b'"serving"' in (self.folder / "daemon.log").read_bytes()


@dataclass(frozen=True)
class Answer:
    code: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        return self.raw.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    def complains(self, code: int, *words: str) -> bool:
        """One sentence on standard error, nothing else."""
        assert (self.code, self.raw, self.err.count("\n")) == (code, b"", 1), (self.code, self.raw, self.err)
        assert all(word in self.err for word in words), self.err
        return self.err.startswith("slurm-sidecar: ")


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "this should have happened long ago"
        time.sleep(0.05)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.configure()
    return site


def remember(site: Site, uid: str = UID, name: str = "seen", *, at: datetime = START, ended: bool = True) -> None:
    """Put a pod with a past on record, as an earlier daemon would have left it."""
    container = ev.ContainerRef(name="main", role=ContainerRole.MAIN, image="busybox:1.36")
    side = ev.ContainerRef(name="side", role=ContainerRole.MAIN, image="busybox:1.36")
    accepted = ev.PodAccepted(
        namespace="lab",
        name=name,
        containers=(container, side),
        restart_policy=RestartPolicy.NEVER,
        grace_seconds=30,
        requested_cpus=2,
    )
    past: list[tuple[ev.Event, Source]] = [
        (accepted, Source.REQUEST),
        (ev.SubmissionStarted(token="t0ken", job_name="seen.t0ken"), Source.REQUEST),
        (ev.JobSubmitted(job_id="4711"), Source.SBATCH),
        (ev.JobQueued(reason="Priority"), Source.SQUEUE),
        (ev.JobStarted(nodes="n7"), Source.SQUEUE),
        (ev.ContainerStarted(container="main", attempt=0), Source.REPORT),
        (ev.ContainerStarted(container="side", attempt=0), Source.REPORT),
    ]
    if ended:
        past += [
            (ev.ContainerTerminated(container="side", attempt=0, exit_code=0, reason="Completed"), Source.REPORT),
            (ev.ContainerTerminated(container="main", attempt=0, exit_code=3, reason="Error"), Source.REPORT),
            (ev.JobFailed(slurm_state="FAILED", exit_code=3, reason="Error", message="no luck\x1b[31m"), Source.SACCT),
        ]
    news = [Observation(event=e, at=at + timedelta(seconds=n), source=s) for n, (e, s) in enumerate(past)]
    engine.prepare_folder(site.database)
    migrate.upgrade(site.database, now=at)
    database = engine.Database(site.database)
    with database.write() as session:
        journal.append(session, uid, news, state=None, now=at)
    database.close()
    directory = PodDirectory.of(site.folder / "jobs", namespace="lab", uid=uid)
    directory.logs.mkdir(parents=True)
    directory.log("main", 0).write_bytes(LOG)


# ---------------------------------------------------------------- usage


def test_help_and_version_answer_without_a_configuration(site: Site) -> None:
    site.config.unlink()

    assert site.run("--version").out == f"slurm-sidecar {__version__}\n"
    verbs = {line.split()[0] for line in site.run("--help").out.partition("Commands:")[2].splitlines() if line.strip()}
    assert verbs == {
        "serve", "check", "submit", "pods", "history", "logs", "delete", "render", "drain", "undrain", "replay",
        "backup", "image",
    }  # fmt: skip


def test_starting_loads_nothing_heavy() -> None:
    heavy = "'sqlalchemy', 'starlette', 'httpx2', 'yaml', 'jinja2', 'rich', 'structlog', 'msgspec'"
    code = f"import sys, sidecar.__main__; print([name for name in ({heavy}) if name in sys.modules])"

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert answer.stdout == "[]\n"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["fly"], "No such command 'fly'; see 'slurm-sidecar --help'"),
        (["logs"], "Missing argument 'POD'; see 'slurm-sidecar logs --help'"),
        (["logs", "x", "--tail", "0"], "'--tail'"),
        (["logs", "x", "--since", "soon"], "'soon' is not a span such as 10s, 5m, 2h or 1d"),
        (["pods", "--phase", "gone"], "'gone' is not one of Pending, Submitted, Running"),
        (["delete", "x", "--now", "--grace-period", "5"], "'--now' and '--grace-period'"),
        (["image", "prune", "--unused-for", "long"], "'long' is not a span such as 10s, 5m, 2h or 1d"),
        (["image", "warm"], "Missing argument 'IMAGE...'; see 'slurm-sidecar image warm --help'"),
        (["--verbose", "pods"], "belongs after the verb"),
        (["pods", "--config", "/nowhere.yaml"], "no configuration at /nowhere.yaml; name one with --config"),
    ],
)
def test_wrong_usage_is_one_sentence_and_code_2(site: Site, words: list[str], complaint: str) -> None:
    assert site.run(*words).complains(2, complaint)


def test_a_wrong_configuration_lists_every_problem(site: Site) -> None:
    site.config.write_text("SidecarPort: many\nSoket: /x\n")

    answer = site.run("pods")

    assert answer.code == 2
    assert sorted(line.partition(f"{site.config}:")[2][0] for line in answer.err.splitlines()) == ["1", "2"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["pods"], "there is no database"),
        (["history", "x"], "the daemon makes it at its first start"),
        (["replay"], "so nothing to replay"),
        (["replay", "--check"], "there is no database"),
        (["backup", "copy.db"], "there is no database"),
        (["submit", "no.yaml"], "there is no file no.yaml"),
        (["render", "no.yaml"], "there is no file no.yaml"),
        (["image", "warm", "/a.sif"], "/a.sif is a file, which jobs use as it is; there is nothing to fetch"),
        (["image", "warm", "UPPER"], "InvalidImageName: 'UPPER' is not"),
        (["image", "prune"], "squeue does not tell which jobs live, so nothing was removed"),
    ],
)
def test_what_is_missing_is_named_and_nothing_is_made(site: Site, words: list[str], complaint: str) -> None:
    assert site.run(*words).complains(1, complaint)
    assert [path.name for path in site.folder.iterdir()] == ["SlurmConfig.yaml"]


def test_without_a_daemon_submit_says_how_to_start_one(site: Site) -> None:
    assert site.run("submit", site.manifest()).complains(1, "no daemon answers at unix://", "slurm-sidecar serve")


# ---------------------------------------------------------------- reading the record


def test_pods_and_history_read_the_record_while_the_daemon_is_down_and_leave_no_trace(site: Site) -> None:
    remember(site)
    before = sorted(path.name for path in site.database.parent.iterdir())

    head, row = site.run("pods").out.splitlines()

    assert dict(zip(head.split("\t"), row.split("\t"), strict=True)) | {"AGE": ""} == {
        "NAME": "seen", "NAMESPACE": "lab", "PHASE": "Failed", "JOB": "4711", "RESTARTS": "0", "AGE": "",
        "NODES": "n7", "REASON": "Error", "UID": UID,
    }  # fmt: skip
    lines = [line.split("\t")[1:] for line in site.run("history", "seen").out.splitlines()[2:]]
    assert lines[2:6] == [
        ["sbatch", "Slurm took it as job 4711"],
        ["squeue", "the job waits in the queue: Priority"],
        ["squeue", "the job started on n7"],
        ["report", "container main started"],
    ]
    assert lines[-1] == ["sacct", "the pod failed (Slurm says FAILED, exit code 3): no luck [31m"]
    assert sorted(path.name for path in site.database.parent.iterdir()) == before


def test_json_is_for_programs(site: Site) -> None:
    remember(site)

    (pod,) = site.run("pods", "--json").json
    history = site.run("history", UID, "--json").json

    assert (pod["uid"], pod["job_id"], pod["containers"][0]["exit_code"]) == (UID, "4711", 3)
    assert history["pod"] == pod
    assert [event["kind"] for event in history["events"]][:2] == ["pod_accepted", "submission_started"]
    assert history["events"][0]["occurred_at"] == "2026-01-02T03:04:05Z"


def test_pods_can_be_narrowed_down(site: Site) -> None:
    remember(site)
    remember(site, TWIN, "other", ended=False)

    assert [pod["name"] for pod in site.run("pods", "--json", "--phase", "running").json] == ["other"]
    assert site.run("pods", "--json", "-n", "elsewhere").json == []
    assert "no pods" in site.run("pods", "-n", "elsewhere").err


@pytest.mark.parametrize("name", ["seen", "lab/seen", UID, UID[:10]])
def test_a_pod_is_found_by_any_of_its_names(site: Site, name: str) -> None:
    remember(site)

    assert site.run("history", name).out.startswith(f"pod lab/seen {UID}: Failed, job 4711\n")


def test_of_several_pods_the_newest_is_taken_and_that_is_said(site: Site) -> None:
    remember(site)
    remember(site, TWIN, at=START + timedelta(days=1))

    answer = site.run("history", "seen")

    assert answer.out.startswith(f"pod lab/seen {TWIN}")
    assert "2 pods match seen; this is the newest" in answer.err
    assert site.run("history", UID[:8]).complains(1, "2 pods have a UID that begins with 7f3c1a52; give more")
    assert site.run("history", "absent").complains(1, "no record of a pod absent", "pods --all")


def test_a_damaged_database_is_named_with_the_way_out(site: Site) -> None:
    remember(site)
    site.database.write_bytes(b"SQLite format 3\0" + b"\xff" * 8000)

    assert site.run("pods").complains(1, str(site.database), "is damaged", "backup")


# ---------------------------------------------------------------- beside the daemon


def test_a_pod_can_be_submitted_watched_and_deleted(site: Site) -> None:
    with site.daemon():
        submitted = site.run("submit", site.manifest(), "--json").json
        assert (submitted["namespace"], submitted["name"], submitted["job_id"]) == ("default", "demo", submitted["uid"])
        assert site.run("pods", "--json").json[0]["phase"] == "Pending"
        assert "Slurm could not be reached" in site.run("history", "demo").out
        waiting = site.run("logs", "demo")
        assert waiting.complains(1, "container 'main' is waiting to start")
        deleted = site.run("delete", "demo", "--now")
        assert deleted.out.startswith("pod default/demo: deletion accepted; its containers have 1 s to end")
        assert "deletion was requested, with 1 s to end" in site.run("history", "demo").out
        assert site.run("pods", "--json").json == []
        assert [pod["name"] for pod in site.run("pods", "--all", "--json").json] == ["demo"]


def test_what_the_daemon_refuses_is_said_in_its_words(site: Site) -> None:
    bad = site.folder / "bad.yaml"
    bad.write_text(POD.format(name="bad", more=", annotations: {slurm-job.vk.io/flavor: huge}"))

    with site.daemon():
        assert site.run("submit", str(bad)).complains(1, "there is no flavor 'huge'")


def test_waiting_ends_with_the_first_failing_main_containers_code(site: Site) -> None:
    remember(site)
    manifest = site.manifest("seen", f", namespace: lab, uid: {UID}")

    with site.daemon():
        told = site.run("submit", manifest, "--wait")
        as_json = site.run("submit", manifest, "--wait", "--json")

    assert told.code == as_json.code == 3
    assert told.out.splitlines()[-1] == "pod lab/seen failed: container main ended with exit code 3"
    assert as_json.json["exit_code"] == 3


def test_interrupted_waiting_leaves_the_pod_and_says_how_to_delete_it(site: Site) -> None:
    with site.daemon():
        process = site.start("submit", site.manifest(), "--wait")
        assert process.stderr
        shown = process.stderr.readline().decode()  # it waits now
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        uid = site.run("pods", "--json").json[0]["uid"]

    assert "could not be started" in shown
    assert process.returncode == 130
    assert err.decode().splitlines()[-1] == (
        f"slurm-sidecar: stopped waiting; pod default/demo goes on; end it with 'slurm-sidecar delete {uid}'"
    )


def test_logs_come_byte_for_byte(site: Site) -> None:
    remember(site)

    with site.daemon():
        whole = site.run("logs", "seen")
        assert site.run("logs", "seen", "-c", "main", "--tail", "1").raw == b"last line\n"
        assert site.run("logs", "seen", "-c", "main", "-f").raw == LOG
        assert site.run("logs", "seen", "-c", "none").complains(1, "has no container 'none'; it has main, side")
        assert site.run("logs", "seen", "-p", "-c", "main").complains(1, "never restarted")

    assert whole.raw == LOG
    assert whole.err == "slurm-sidecar: this is container main; choose another with -c: side\n"


def test_a_reader_that_leaves_early_hears_no_complaint(site: Site) -> None:
    remember(site)
    PodDirectory.of(site.folder / "jobs", namespace="lab", uid=UID).log("main", 0).write_bytes(LOG * 100_000)

    with site.daemon():
        process = site.start("logs", "seen", "-c", "main")
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == b"first line\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        process.stderr.close()
        process.wait(timeout=60)


def test_an_interrupted_follower_is_quiet(site: Site) -> None:
    remember(site, ended=False)

    with site.daemon():
        process = site.start("logs", "seen", "-c", "main", "-f")
        assert process.stdout
        assert process.stdout.readline() == b"first line\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[1] == b""

    assert process.returncode == 130


def test_a_port_works_as_the_socket_does_whatever_proxy_the_environment_names(tmp_path: Path) -> None:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
    site = Site(tmp_path, proxies | {"SIDECARPORT": str(port)})
    site.configure()
    site.config.write_text("\n".join(line for line in site.config.read_text().splitlines() if "Socket" not in line))

    with site.daemon():
        assert site.run("submit", site.manifest(), "--json").code == 0
        assert f"running at http://127.0.0.1:{port}" in site.run("check").out


@pytest.mark.parametrize("words", [["--SlurmConfigpath", "{}"], ["--SlurmConfigpath", "{}", "--verbose"], []])
def test_started_as_the_go_plugin_is_it_serves(site: Site, words: list[str]) -> None:
    process = site.start(*(word.format(site.config) for word in words))
    try:
        wait_until((site.folder / "s.sock").exists)
        assert site.run("submit", site.manifest()).code == 0
    finally:
        process.terminate()
        process.communicate(timeout=60)

    assert process.returncode == 0
    assert not (site.folder / "s.sock").exists()


# ---------------------------------------------------------------- check, render, replay, backup


def test_check_names_what_is_missing_and_fails(site: Site) -> None:
    answer = site.run("check")

    lines = [(line.split()[0], line.split()[1]) for line in answer.out.splitlines()]
    assert answer.code == 1
    assert {("ok", "configuration"), ("ok", "job")} <= set(lines)
    assert {("problem", "sbatch"), ("problem", "queue"), ("warning", "sacct"), ("warning", "runtime")} <= set(lines)
    assert "set SbatchPath" in answer.out
    assert f"{site.database} will be made at the first start" in answer.out
    assert f"its place unix://{site.folder}/s.sock is free" in answer.out
    assert not site.database.parent.exists()


def test_check_lists_a_wrong_configuration(site: Site) -> None:
    site.config.write_text("SidecarPort: many\nSoket: /x\n")

    answer = site.run("check", "--json")

    assert answer.code == 1
    assert [(finding["level"], finding["subject"]) for finding in answer.json] == [("problem", "configuration")] * 2


def test_check_speaks_with_the_running_daemon(site: Site) -> None:
    with site.daemon():
        site.run("submit", site.manifest())
        wait_until(lambda: "and not ready (database: ok, Slurm: " in site.run("check").out)
        said = {finding["subject"]: finding["text"] for finding in site.run("check", "--json").json}

    assert said["database"].startswith(f"{site.database} is sound, schema 0")
    assert said["daemon"].startswith(f"running at unix://{site.folder}/s.sock and ")


def test_check_starts_a_container_with_an_image_or_without(site: Site) -> None:
    runtime = site.folder / "no-runtime"
    image = site.folder / "image.sif"
    image.touch()
    runtime.write_text(
        '#!/bin/sh\n[ "$1" = exec ] || { echo runtime version 1; exit; }\necho "FATAL: no" >&2; exit 255\n'
    )
    runtime.chmod(0o755)

    own = site.run("check").out
    assert "runtime version 1" in own
    assert "cannot start a container of this machine's own programs here: FATAL: no" in own
    assert f"cannot start a container of {image} here: FATAL: no" in site.run("check", "--image", str(image)).out


def test_render_prints_the_script_and_submits_nothing(site: Site) -> None:
    answer = site.run("render", site.manifest())

    assert answer.out.startswith("#!/bin/bash\n#SBATCH ")
    assert answer.code == 0
    assert not (site.folder / "jobs").exists()
    checked = subprocess.run(["bash", "-n"], input=answer.raw, check=False)
    assert checked.returncode == 0


def test_replay_finds_and_mends_a_state_that_its_events_do_not_give(site: Site) -> None:
    remember(site)
    assert site.run("replay", "--check").out == "every state is what its events give\n"
    with closing(sqlite3.connect(site.database)) as connection:
        connection.execute("UPDATE pod_states SET state = replace(state, 'n7', 'n8')")
        connection.commit()

    checked = site.run("replay", "--check", "--json")
    rebuilt = site.run("replay", "--json")

    assert (checked.code, checked.json) == (1, {"different": [UID]})
    assert (rebuilt.code, rebuilt.json) == (1, {"rebuilt": 1, "different": [UID]})
    assert site.run("replay").code == 0
    assert site.run("pods", "--json").json[0]["nodes"] == "n7"


def test_replay_needs_the_daemon_stopped_but_its_check_does_not(site: Site) -> None:
    remember(site)

    with site.daemon() as daemon:
        assert site.run("replay").complains(1, f"another slurm-sidecar (process {daemon.pid})", "stop it first")
        assert site.run("replay", "--check").code == 0


def test_a_backup_beside_the_running_daemon_is_a_whole_database(site: Site) -> None:
    remember(site)
    copy = site.folder / "copy.db"

    with site.daemon():
        assert site.run("backup", str(copy), "--json").json == {"path": str(copy), "bytes": copy.stat().st_size}
    assert site.run("backup", str(copy)).complains(1, "exists; give the backup a new name")
    shutil.copy(copy, site.database)
    for leftover in ("-wal", "-shm"):
        site.database.with_name(site.database.name + leftover).unlink(missing_ok=True)
    assert site.run("pods", "--json").json[0]["uid"] == UID
