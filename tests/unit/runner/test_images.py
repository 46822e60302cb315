"""Images in the cache: who fetches, who waits, what is left behind."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from sidecar.pod_files import image_cache as daemon_side
from sidecar.runner.contract.layout import PodFiles, image_cache
from sidecar.runner.node.images import ImageStore, Pulled, gives_up
from sidecar.runner.system.event_loop import Loop, Task

if TYPE_CHECKING:
    from sidecar.runner.contract.pod_document import ContainerDocument, SiteDocument

IMAGE = "docker://registry.example/lab/tool:1"
KEY = daemon_side.cache_key(IMAGE)
COUNT = 'echo pull >>"$COUNTED"; '
FETCH = COUNT + 'echo fetched "$2" >"$1"'
T = TypeVar("T")


@pytest.fixture
def loop() -> Iterator[Loop]:
    yield Loop()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


@dataclass
class ScriptRuntime:
    """A runtime whose pulls are a shell script with the arguments FILE, IMAGE, CACHE and LOGIN."""

    script: str
    environment: dict[str, str] = field(default_factory=dict)
    settled: list[str] = field(default_factory=list)

    def pull_call(self, image: str, file: str, cache: str, login_file: str) -> tuple[list[str], dict[str, str]]:
        return ["sh", "-c", self.script, "sh", file, image, cache, login_file], self.environment

    def settle(self, cache: str, file: str) -> None:
        Path(file).with_name("settled").touch()


class Site:
    """A data root and the jobs that share it."""

    def __init__(self, loop: Loop, folder: Path) -> None:
        self.loop = loop
        self.folder = folder
        self.data_root = folder / "data"
        self.data_root.mkdir()
        self.cache = Path(image_cache(str(self.data_root), os.geteuid()))
        self.counted = folder / "counted"
        self.pulling: list[str] = []

    def runtime(self, script: str) -> ScriptRuntime:
        return ScriptRuntime(script, {"COUNTED": str(self.counted)})

    def pulls(self) -> int:
        return len(self.counted.read_text().splitlines()) if self.counted.exists() else 0

    def pod(self, job: str) -> PodFiles:
        return PodFiles(str(self.data_root / f"pod-{job}"))

    def private(self, job: str) -> Path:
        folder = self.folder / f"private-{job}"
        folder.mkdir(exist_ok=True)
        return folder

    def store(self, job: str = "1", prefix: str = "") -> ImageStore:
        site: Any = {"data_root": str(self.data_root), "bash": "/bin/bash", "runtime_prefix": prefix}
        document: SiteDocument = site
        return ImageStore(self.loop, document, job, self.pod(job), str(self.private(job)), node="n1")

    def fetch(
        self, script: str = FETCH, *, job: str = "1", prefix: str = "", **fields: Any
    ) -> Coroutine[Any, Any, Pulled]:
        container = a_container(**fields)
        return self.store(job, prefix).fetch_once(container, self.runtime(script), lambda: self.pulling.append(job))

    def run(self, script: str = FETCH, **more: Any) -> Pulled:
        pulled: Pulled = self.loop.run(self.fetch(script, **more))
        return pulled

    def log(self, job: str = "1") -> str:
        return Path(self.pod(job).pull_log("main")).read_text()


def a_container(**fields: Any) -> ContainerDocument:
    container: Any = {
        "name": "main",
        "image": IMAGE,
        "image_keys": [KEY],
        "image_namespace": "",
        "login": "",
        "pull_policy": "IfNotPresent",
        **fields,
    }
    document: ContainerDocument = container
    return document


@pytest.fixture
def site(loop: Loop, tmp_path: Path) -> Site:
    return Site(loop, tmp_path)


async def until(loop: Loop, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        await loop.sleep(0.01)


def names(site: Site, kind: str) -> list[str]:
    return sorted(path.name for path in site.cache.glob(f"*.{kind}*"))


def test_an_image_file_is_used_as_it_is(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "tool.sif"
    file.touch()

    assert site.run(image=str(file), pull_policy="Always").file == str(file)
    assert (site.pulls(), site.pulling) == (0, [])


def test_a_missing_image_file_is_named_with_its_node(site: Site) -> None:
    pulled = site.run(image="/no/such.sif")

    assert (pulled.file, pulled.may_pass) == ("", False)
    assert pulled.words == "ERROR: there is no image file /no/such.sif on node n1"
    assert site.log() == pulled.words + "\n"


def test_an_image_is_fetched_once_and_then_found(site: Site) -> None:
    first = site.run()
    second = site.run(job="2")

    assert Path(first.file).read_text() == f"fetched {IMAGE}\n"
    assert Path(second.file).samefile(first.file)
    assert (site.pulls(), site.pulling) == (1, ["1"])
    assert Path(first.file).name == f"{KEY}.used.1.main"


def test_the_daemon_finds_what_a_job_has_fetched(site: Site) -> None:
    site.run(image_namespace="lab")
    [image] = daemon_side.listed(site.data_root)

    assert (image.image, image.namespace, image.jobs) == (IMAGE, "lab", ("1",))
    assert abs(datetime.now(UTC) - image.fetched_at) < timedelta(minutes=5)
    assert not list(site.cache.glob("*.part.*"))


def test_the_daemon_removes_no_image_that_a_job_is_fetching(site: Site) -> None:
    site.run()
    [image] = daemon_side.listed(site.data_root)
    site.store().remove_leftovers()
    future = datetime.now(UTC) + timedelta(days=1)
    script = f"touch {site.folder}/begun; until [ -e {site.folder}/go ]; do sleep 0.02; done; {FETCH}"

    async def story() -> bool:
        task = site.loop.start(site.fetch(script, job="2", pull_policy="Always"))
        await until(site.loop, (site.folder / "begun").exists)
        removed = daemon_side.remove(image, since=future, live_jobs=())
        (site.folder / "go").touch()
        await task
        return removed

    assert site.loop.run(story()) is False
    site.store("2").remove_leftovers()
    assert daemon_side.remove(image, since=future, live_jobs=()) is True


def test_jobs_at_the_same_time_fetch_an_image_once(site: Site) -> None:
    async def story() -> list[Pulled]:
        tasks = [site.loop.start(site.fetch("sleep 0.2; " + FETCH, job=str(job))) for job in range(4)]
        return [await task for task in tasks]

    assert all(pulled.file for pulled in site.loop.run(story()))
    assert site.pulls() == 1


@pytest.mark.parametrize(("script", "succeeds"), [(FETCH, True), (COUNT + "echo FATAL: no; exit 1", False)])
def test_who_asked_before_a_pull_began_shares_its_end(site: Site, script: str, succeeds: bool) -> None:
    pulls = run_together(site, script, pull_policy="Always")

    assert [bool(pulled.file) for pulled in pulls] == [succeeds] * 3
    assert {pulled.words for pulled in pulls} == {"" if succeeds else "FATAL: no"}
    assert site.pulls() == 1


def run_together(site: Site, script: str, **fields: Any) -> list[Pulled]:
    """Three jobs ask before anybody gets the lock."""

    async def story() -> list[Pulled]:
        site.cache.mkdir(parents=True)
        with (site.cache / f"{KEY}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            tasks = [site.loop.start(site.fetch(script, job=str(job), **fields)) for job in range(3)]
            await until(site.loop, lambda: waiting_for(lock.fileno()) == 3)
            await until(site.loop, lambda: is_past(site, list(site.cache.glob("*.part.*/asked"))))
            fcntl.flock(lock, fcntl.LOCK_UN)  # the pulls' processes have inherited the file
        return [await task for task in tasks]

    pulls: list[Pulled] = site.loop.run(story())
    return pulls


def waiting_for(lock: int) -> int:
    """How many processes wait for the lock on an open file."""
    inode = os.fstat(lock).st_ino
    lines = Path("/proc/locks").read_text().splitlines()
    return sum("-> FLOCK" in line and line.split()[6].endswith(f":{inode}") for line in lines)


def is_past(site: Site, files: list[Path]) -> bool:
    """Whether the clock of the file system, which counts milliseconds, has gone on since these were made."""
    probe = site.folder / "probe"
    probe.touch()
    return probe.stat().st_mtime_ns > max(file.stat().st_mtime_ns for file in files)


def test_who_asks_after_a_pull_failed_tries_again(site: Site) -> None:
    site.run("echo FATAL: no; exit 1")

    assert site.run().file
    assert not list(site.cache.glob("*.failed"))


def test_always_fetches_again(site: Site) -> None:
    before = Path(site.run(pull_policy="Always").file)
    site.run('echo newer >"$1"', pull_policy="Always", job="2")

    assert before.read_text() == f"fetched {IMAGE}\n"
    assert (site.cache / f"{KEY}.sif").read_text() == "newer\n"


def test_never_uses_only_what_is_there(site: Site) -> None:
    refused = site.run(pull_policy="Never")
    site.run()

    assert refused.words == f"ERROR: {IMAGE} was never fetched here, and imagePullPolicy is Never"
    assert site.run(pull_policy="Never").file


def test_a_private_image_may_be_there_for_everybody(site: Site) -> None:
    site.run()
    pulled = site.run(image_keys=["0" * 64, KEY], login="{}", pull_policy="Never", job="2")

    assert Path(pulled.file).name == f"{KEY}.used.2.main"


def test_the_runtime_says_why_and_its_progress_is_left_out(site: Site) -> None:
    pulled = site.run("echo INFO: begun; printf '\\033[31mFATAL:   gone\\033[0m\\n' >&2; echo INFO: end; exit 255")

    assert (pulled.words, pulled.may_pass) == ("FATAL:   gone", False)
    assert site.log().startswith("INFO: begun\n")


def test_words_of_the_runtime_end_within_1024_bytes(site: Site) -> None:
    pulled = site.run("printf 'ERROR: %02000d' 0; printf '\\303\\251'; exit 1")

    assert len(pulled.words.encode()) <= 1024
    assert pulled.words.endswith("0é")


@pytest.mark.parametrize(
    ("words", "may_pass"),
    [
        ("dial tcp: connection refused", True),
        ("net/http: TLS handshake timeout", True),
        ("received unexpected HTTP status: StatusCode: 503", True),
        ("fetching: toomanyrequests: rate limit", True),
        ("manifest unknown", False),
        ("authentication required", False),
        ("status code: 404", False),
    ],
)
def test_a_registry_in_trouble_is_told_from_one_that_refuses(site: Site, words: str, may_pass: bool) -> None:
    assert site.run(f"echo 'FATAL: {words}'; exit 255").may_pass is may_pass


def test_the_log_is_that_of_the_last_try(site: Site) -> None:
    site.run("echo FATAL: first; exit 1")
    site.run("echo FATAL: second; exit 1")

    assert site.log() == "FATAL: second\n"


def test_a_pull_that_leaves_no_image_has_failed(site: Site) -> None:
    assert "left no image" in site.run("true").words
    assert not list(site.cache.glob("*.sif"))


def test_a_runtime_that_is_not_there_is_named(site: Site) -> None:
    class Absent(ScriptRuntime):
        def pull_call(self, image: str, file: str, cache: str, login_file: str) -> tuple[list[str], dict[str, str]]:
            return ["/no/such/apptainer"], {}

    pulled = site.loop.run(site.store().fetch_once(a_container(), Absent(""), lambda: None))

    assert pulled.words == "ERROR: /no/such/apptainer cannot be started: No such file or directory"


@pytest.mark.parametrize("script", ["kill -KILL $$", "echo FATAL: create command failed: signal: killed; exit 255"])
def test_a_killed_pull_advises_more_memory(site: Site, script: str) -> None:
    pulled = site.run(script)

    assert "was too little to build the image" in pulled.words
    assert pulled.words.endswith(f"slurm-sidecar image warm {IMAGE}")
    assert pulled.may_pass is False
    assert not list(site.cache.glob("*.failed"))


def test_a_killed_pull_is_no_answer_for_jobs_that_wait(site: Site) -> None:
    once = f'{COUNT} if mkdir {site.folder}/first; then kill -KILL $$; fi 2>/dev/null; echo fetched >"$1"'
    pulls = run_together(site, once)

    assert sorted(bool(pulled.file) for pulled in pulls) == [False, True, True]


def test_a_kill_of_the_pulls_own_process_advises_more_memory(site: Site) -> None:
    pulled = site.run("kill -KILL $PPID; sleep 60")

    assert "was too little to build the image" in pulled.words


def test_the_login_is_a_private_file_for_the_time_of_the_pull(site: Site) -> None:
    pulled = site.run('stat -c %a "$4" >"$1"; cat "$4" >>"$1"', login='{"auths": {}}')

    assert Path(pulled.file).read_text() == '600\n{"auths": {}}'
    assert list(site.private("1").iterdir()) == []


def test_the_sites_shell_text_is_on_the_line_of_the_call(site: Site) -> None:
    pulled = site.run('echo "$GREETING" >"$1"', prefix="greet() { GREETING='hi there' \"$@\"; }; greet")

    assert Path(pulled.file).read_text() == "hi there\n"


def test_words_of_an_image_are_never_shell_text(site: Site) -> None:
    image = 'docker://x/$(touch hacked);"`true`'
    pulled = site.run('echo "$2" >"$1"', image=image, prefix="env")

    assert Path(pulled.file).read_text() == f"{image}\n"


def test_a_job_keeps_its_image_when_the_cache_loses_it(site: Site) -> None:
    pulled = site.run()
    (site.cache / f"{KEY}.sif").unlink()

    assert Path(pulled.file).read_text() == f"fetched {IMAGE}\n"


def test_without_hard_links_a_mark_keeps_prune_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    pulled = site.run()

    assert pulled.file == str(site.cache / f"{KEY}.sif")
    assert names(site, "used") == [f"{KEY}.used.1.main"]


def test_where_the_data_root_is_not_seen_the_cache_is_the_jobs_own(site: Site) -> None:
    site.data_root.rmdir()
    pulled = site.run()

    assert pulled.file.startswith(str(site.private("1") / "images"))


def test_a_cache_of_somebody_else_is_not_used(site: Site) -> None:
    site.cache.parent.mkdir()
    site.cache.symlink_to("/usr")
    pulled = site.run()

    assert pulled.file.startswith(str(site.private("1") / "images"))


def test_a_pull_that_is_broken_off_ends_with_all_its_programs(site: Site) -> None:
    pids = site.folder / "pids"
    script = f"sleep 600 & echo $$ $! >{pids}.new; mv {pids}.new {pids}; wait"

    async def story() -> None:
        task: Task = site.loop.start(site.fetch(script, login="secret"))
        await until(site.loop, pids.exists)
        task.cancel()
        await until(site.loop, lambda: not any(is_running(int(pid)) for pid in pids.read_text().split()))

    site.loop.run(story())
    left = names(site, "part")
    site.store().remove_leftovers()

    assert left == [f"{KEY}.part.1.main"]
    assert names(site, "part") == []
    assert list(site.private("1").iterdir()) == []
    assert site.run(job="2").file, "the lock is free again"


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_job_removes_its_own_marks_and_no_others(site: Site) -> None:
    site.run(job="1")
    site.run(job="11")
    site.store("1").remove_leftovers()

    assert names(site, "used") == [f"{KEY}.used.11.main"]


def test_a_full_disk_is_named(site: Site) -> None:
    site.cache.mkdir(parents=True)
    (site.cache / f"{KEY}.lock").mkdir()  # as good as any other trouble with files
    pulled = site.run()

    assert "the image cannot be stored: Is a directory" in pulled.words


@pytest.mark.parametrize("policy", ["Never", "OnFailure"])
def test_a_pod_that_may_end_gives_up(policy: str) -> None:
    assert gives_up(policy, may_pass=False, tries=1)
    assert not gives_up(policy, may_pass=True, tries=5)
    assert gives_up(policy, may_pass=True, tries=6)


def test_a_pod_that_always_runs_never_gives_up() -> None:
    assert not gives_up("Always", may_pass=False, tries=1000)
