"""Annotations, by which a pod speaks to the sidecar."""

from __future__ import annotations

import pytest

from sidecar.domain.pod import JobOptions
from sidecar.errors import UnsupportedPod
from sidecar.wire import options


def test_annotations_become_the_jobs_options() -> None:
    annotations = {
        "slurm-job.vk.io/flags": "--partition=short -t '1:00'",
        "slurm-job.vk.io/flavor": " big ",
        "slurm-job.vk.io/pre-exec": "module load x\n",
        "slurm-job.vk.io/image-root": "/images",
        "slurm-job.vk.io/mpi-flags": "true",
        "slurm-job.vk.io/singularity-commands": "time",
        "slurm-job.vk.io/singularity-mounts": "--bind /a:/b -B /c --bind=/d",
        "slurm-job.vk.io/singularity-options": "--no-home",
        "interlink.eu/pod-ip": "10.0.0.1",
        "interlink.eu/wstunnel-client-commands": "wstunnel &",
        "other.org/flags": "unrelated",
    }

    assert options.read(annotations)[0] == JobOptions(
        flags=("--partition=short", "-t", "1:00"), flavor="big", pre_exec="module load x\n", image_root="/images",
        mpi_flags=(), runtime_commands="time", runtime_mounts=("--bind=/a:/b", "--bind=/c", "--bind=/d"),
        runtime_options=("--no-home",), pod_ip="10.0.0.1", tunnel_commands="wstunnel &",
    )  # fmt: skip


def test_the_old_prefix_is_read_and_noted_and_the_new_one_wins() -> None:
    read, notes = options.read({"slurm-job.vk.io/flags": "-t 1", "slurm-job.knoc.io/flags": "-t 2"})

    assert read.flags == ("-t", "1")
    assert notes == ("annotation slurm-job.knoc.io/flags is an old name; use slurm-job.vk.io/flags",)


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("flgas", "", r"did you mean slurm-job\.vk\.io/flags\?"),
        ("zzzzz", "", "known are enroot-mounts,"),
        ("flags", "'open", "No closing quotation"),
        ("singularity-commands", "a\nb", "must be one line"),
    ],
)
def test_a_bad_annotation_is_told(key: str, text: str, message: str) -> None:
    with pytest.raises(UnsupportedPod, match=message):
        options.read({f"slurm-job.vk.io/{key}": text})


def test_the_old_prefix_alone_counts() -> None:
    assert options.read({"slurm-job.knoc.io/flags": "-t 2"})[0].flags == ("-t", "2")


@pytest.mark.parametrize(("text", "words"), [("true", ()), ("-x A", ("-x", "A")), ("", ())])
def test_mpi_flags_are_words_and_true_stands_for_none(text: str, words: tuple[str, ...]) -> None:
    assert options.read({"slurm-job.vk.io/mpi-flags": text})[0].mpi_flags == words
    assert options.read({})[0].mpi_flags is None


def test_options_of_the_other_runtime_are_noted_as_ignored() -> None:
    both = {"slurm-job.vk.io/enroot-options": "--root", "slurm-job.vk.io/singularity-mounts": "/a:/b"}
    with_apptainer, notes = options.read(both)
    assert notes == ("annotation slurm-job.vk.io/enroot-options ignored: this site runs Apptainer",)
    assert with_apptainer.runtime_mounts == ("--bind=/a:/b",)

    with_enroot, notes = options.read(both, "enroot")
    assert notes == ("annotation slurm-job.vk.io/singularity-mounts ignored: this site runs Enroot",)
    assert (with_enroot.runtime_options, with_enroot.runtime_mounts) == (("--root",), ())


def test_enroot_s_mounts_are_read_with_and_without_its_option() -> None:
    text = "--mount /a:/b /c:/d --mount=/e:/f"

    assert options.read({"slurm-job.vk.io/enroot-mounts": text}, "enroot")[0].runtime_mounts == (
        "--bind=/a:/b",
        "--bind=/c:/d",
        "--bind=/e:/f",
    )


def test_lines_are_read_whatever_editor_has_written_them() -> None:
    annotations = {
        "slurm-job.vk.io/flags": "--mem=1G \\\r\n\t--time=5\r\n",
        "slurm-job.vk.io/singularity-options": "--no-home \\\n --nv",
        "slurm-job.vk.io/singularity-mounts": "/a:/b \\\n/c:/d",
        "slurm-job.vk.io/pre-exec": "cat <<X\r\ntext\r\nX\r\n",
        "interlink.eu/wstunnel-client-commands": "one\r\ntwo",
    }

    assert options.read(annotations)[0] == JobOptions(
        flags=("--mem=1G", "--time=5"), runtime_options=("--no-home", "--nv"),
        runtime_mounts=("--bind=/a:/b", "--bind=/c:/d"), pre_exec="cat <<X\ntext\nX\n", tunnel_commands="one\ntwo",
    )  # fmt: skip
