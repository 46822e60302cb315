"""The batch script as text."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.domain.logins import Login
from sidecar.domain.pod import (
    EmptyDirVolume,
    FilesVolume,
    HostPathVolume,
    JobOptions,
    Mount,
    Pod,
    PullPolicy,
    RestartPolicy,
    VolumeFile,
)
from sidecar.errors import UnsupportedPod
from sidecar.pod_files import script, supervisor
from sidecar.pod_files.paths import PodDirectory
from sidecar.pod_files.site import JobSite
from sidecar.runner.contract import layout
from tests.jobs import UID, a_container, a_plan, a_pod, an_init_container

GOLDEN = Path(__file__).parents[1] / "data" / "golden" / "job.slurm"
PAGE_BYTES = 3072
SITE = JobSite(
    data_root=Path("/scratch/pods of ours"),
    bash_path="/usr/bin/bash",
    command_prefix="module load apptainer\nexport SITE=yes",
    runtime_program="/opt/apptainer/bin/apptainer",
    runtime_prefix="nice -n 5",
    tsocks_library="/usr/lib/libtsocks.so",
    tsocks_login=("-p", "2222", "login"),
    allowed_host_paths=("/scratch", "/data it's"),
    protected_paths=("/scratch/pods of ours",),
)
OPTIONS = JobOptions(
    pre_exec="cat <<'EOF' > $TMPDIR/x\n$not expanded\nEOF\nsource $TMPDIR/x",
    mpi_flags=("--map-by", "core"),
    runtime_commands="time",
    runtime_mounts=("--bind", "/cvmfs:/cvmfs"),
    pod_ip="10.0.0.7",
    tunnel_commands="./wstunnel client &",
)


def everything() -> Pod:
    """A pod that uses all there is."""
    mounts = (
        Mount(volume="conf", path="/etc/app/conf.d", sub_path="sub dir/file"),
        Mount(volume="work", path="/work"),
        Mount(volume="shm", path="/data/fast"),
        Mount(volume="data", path="/data", read_only=True),
    )
    main = a_container(
        "main",
        "sh",
        "-c",
        "echo it's $HOME",
        env={"SECRET": "s3cr3t'"},
        mounts=mounts,
        working_dir="/work",
        image="docker://docker.io/library/busybox:1.36",
        pull_policy=PullPolicy.ALWAYS,
    )
    pod = a_pod(
        an_init_container("setup", "true", mounts=mounts[1:2]),
        main,
        a_container("side-car", args=("--serve",)),
        volumes=(
            FilesVolume(name="conf", files=(VolumeFile(path="sub dir/file", content=b"s3cr3t"),)),
            EmptyDirVolume(name="work"),
            EmptyDirVolume(name="shm", in_memory=True),
            HostPathVolume(name="data", path="/scratch/it's", type="Directory"),
        ),
        restart_policy=RestartPolicy.ON_FAILURE,
        grace_seconds=45,
        options=OPTIONS,
    )
    return replace(pod, logins=(Login(host="docker.io", fields=(("auth", "czNjcjN0OnMzY3IzdA=="),)),))


def rendered(pod: Pod, site: JobSite = SITE) -> str:
    directory = PodDirectory.of(site.data_root, namespace=pod.namespace, uid=pod.uid)
    job_plan = a_plan(pod, sbatch_options=("--cpus-per-task=2", "--constraint=a&b"))
    return script.render(pod, job_plan, directory=directory, token="c0ffee", site=site)


def test_the_script_of_a_pod_with_everything_is_the_golden_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "place", lambda root: Path(layout.supervisor(str(root), "0123456789abcdef")))
    text = rendered(everything())
    (tmp_path / "job.slurm").write_text(text)

    assert text == GOLDEN.read_text(), f"if this is meant: cp {tmp_path}/job.slurm {GOLDEN}"


def test_without_texts_of_the_site_and_the_pod_the_script_is_one_page() -> None:
    text = rendered(a_pod(), JobSite(data_root=Path("/scratch/slurm-sidecar")))
    own = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#SBATCH"))

    assert len(own.encode()) <= PAGE_BYTES


def with_archive_emptied(text: str) -> str:
    head, _, rest = text.partition("<<'SIDECAR_FILES'")
    return head + rest.partition("\n")[0] + rest.rpartition("SIDECAR_FILES")[2] if rest else text


@pytest.mark.parametrize("in_mesh", [False, True])
@pytest.mark.parametrize("shared_fs", [True, False])
@pytest.mark.parametrize("site", [SITE, JobSite(data_root=Path("/data"))], ids=["everything", "nothing"])
def test_shellcheck_finds_nothing_in_a_whole_script(
    tmp_path: Path, site: JobSite, shared_fs: bool, in_mesh: bool
) -> None:
    path = tmp_path / "job.slurm"
    pre_exec = "cat <<'EOF' > $TMPDIR/mesh.sh\nEOF" if in_mesh else 'echo "$TMPDIR"'
    pod = a_pod(options=replace(OPTIONS, pre_exec=pre_exec)) if site is SITE or in_mesh else a_pod()
    path.write_text(with_archive_emptied(rendered(pod, replace(site, shared_fs=shared_fs))))
    # 2086: in the text of mesh.sh's own making; 2154, 2317, 2329: names and functions that traps and eval use.
    call = [shutil.which("shellcheck") or "shellcheck", "--shell=bash", "--exclude=SC2329,SC2317,SC2154,SC2086"]
    done = subprocess.run([*call, str(path)], capture_output=True, text=True, check=False)

    assert done.stdout == ""
    assert done.returncode == 0


def test_directives_come_before_any_command_and_the_sidecar_s_own_come_last() -> None:
    lines = rendered(everything()).splitlines()
    directives = [line for line in lines if line.startswith("#SBATCH")]
    first_command = next(n for n, line in enumerate(lines) if not line.startswith("#"))

    assert lines[1 : 1 + len(directives)] == directives
    assert first_command > len(directives)
    assert directives[:3] == ["#SBATCH --export=ALL", "#SBATCH --no-requeue", "#SBATCH --propagate=NONE"]
    assert directives[3:5] == ["#SBATCH --cpus-per-task=2", "#SBATCH --constraint=a&b"]
    assert directives[-4:] == [
        f"#SBATCH --comment=slurm-sidecar:{UID}:c0ffee",
        f'#SBATCH --chdir="/scratch/pods of ours/lab-{UID}"',
        f'#SBATCH --output="/scratch/pods of ours/lab-{UID}/job.out"',
        "#SBATCH --open-mode=append",
    ]


def test_a_percent_sign_in_the_data_folder_is_no_pattern() -> None:
    text = rendered(a_pod(), JobSite(data_root=Path("/100%j")))

    assert f"#SBATCH --output=/100%%j/lab-{UID}/job.out\n" in text
    assert f"#SBATCH --chdir=/100%j/lab-{UID}\n" in text


def test_secrets_are_not_in_the_script_of_a_shared_file_system() -> None:
    assert "s3cr3t" not in rendered(everything())


def test_the_same_pod_gives_the_same_script_also_when_its_files_travel_inside() -> None:
    site = JobSite(data_root=Path("/data"), shared_fs=False)

    assert rendered(everything(), site) == rendered(everything(), site)


def test_files_that_travel_inside_are_checked_like_others() -> None:
    pod = a_pod(a_container("main", "true", env={"a=b": "x"}))

    with pytest.raises(UnsupportedPod, match=r"container main: environment variable a=b"):
        rendered(pod, JobSite(data_root=Path("/data"), shared_fs=False))


def as_sbatch_reads(line: str) -> list[str]:
    """The words sbatch makes of a directive. Source: _get_argument in src/sbatch/opt.c of Slurm."""
    words, word, quote, escaped = [], "", "", False
    for character in [*line, " "]:
        if not quote and character.isspace():
            words += [word] if word else []
            word = ""
        elif escaped:
            word, escaped = word + character, False
        elif character == "\\":
            escaped = True
        elif quote == character:
            quote = ""
        elif not quote and character in "\"'":
            quote = character
        elif not quote and character == "#":
            break
        else:
            word += character
    return words


@given(st.text(alphabet=st.characters(blacklist_characters="\n\r\0", blacklist_categories=["Cs"]), min_size=1))
def test_sbatch_reads_any_value_as_it_was(value: str) -> None:
    assert as_sbatch_reads(script.directive(f"--job-name={value}")) == [f"--job-name={value}"]


@pytest.mark.parametrize(
    ("options", "site"),
    [
        (JobOptions(runtime_commands="s3cr3t", runtime_mounts=("--s3cr3t",)), SITE),
        (JobOptions(tunnel_commands="s3cr3t"), SITE),
        (JobOptions(), replace(SITE, runtime_prefix="s3cr3t", tsocks_login=("s3cr3t",))),
    ],
)
def test_what_the_document_holds_is_not_in_the_script_too(options: JobOptions, site: JobSite) -> None:
    assert "s3cr3t" not in rendered(a_pod(options=options), site)


def test_the_jobs_folder_on_its_node_has_the_name_by_which_the_next_job_looks_for_it() -> None:
    """Slurm sets HOSTNAME to its own name of the node; the supervisor asks the kernel."""
    names = [line for line in rendered(everything()).splitlines() if "mktemp" in line]

    assert len(names) == 2
    assert all("slurm-sidecar.$sidecar_host.$$." in line for line in names)
    assert "sidecar_host=$(</proc/sys/kernel/hostname)" in rendered(everything())


def test_only_texts_around_the_containers_keep_the_shell() -> None:
    plain, with_text = rendered(a_pod(), JobSite(data_root=Path("/data"))), rendered(everything())

    assert plain.rstrip().splitlines()[-1] == "sidecar_exec"
    assert with_text.rstrip().splitlines()[-1] == 'exit "$sidecar_code"'


def test_mpi_on_several_nodes_needs_files_that_they_share() -> None:
    pod = a_pod(options=JobOptions(mpi_flags=()))
    plan = a_plan(pod, sbatch_options=("--nodes=2",))
    directory = PodDirectory.of(SITE.data_root, namespace=pod.namespace, uid=pod.uid)

    assert script.render(pod, plan, directory=directory, token="t", site=SITE)
    with pytest.raises(UnsupportedPod, match="mpi-flags with --nodes=2: the nodes share no files here"):
        script.render(pod, plan, directory=directory, token="t", site=replace(SITE, shared_fs=False))
