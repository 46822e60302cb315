"""The files of a pod beside its script."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.domain.pod import FilesVolume, VolumeFile
from sidecar.errors import UnsupportedPod
from sidecar.pod_files.contents import pod_files
from sidecar.pod_files.site import JobSite
from tests.jobs import a_container, a_plan, a_pod

SITE = JobSite(data_root=Path("/data"))


def test_the_document_and_the_volumes_files_are_there_with_their_modes() -> None:
    files = (VolumeFile(path="deep/tool", content=b"#!", mode=0o4755), VolumeFile(path="key", content=b"k", mode=0o400))
    pod = a_pod(volumes=(FilesVolume(name="conf", files=files),))
    document, *others = pod_files(pod, a_plan(pod), SITE)

    assert (str(document.path), document.mode) == ("pod.json", 0o600)
    assert [(str(file.path), file.content, file.mode) for file in others] == [
        ("volumes/conf/deep/tool", b"#!", 0o755),
        ("volumes/conf/key", b"k", 0o400),
    ]


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x", "", ".", "a\0b"])
def test_a_volume_s_file_stays_inside_its_volume(path: str) -> None:
    pod = a_pod(volumes=(FilesVolume(name="v", files=(VolumeFile(path=path, content=b""),)),))

    with pytest.raises(UnsupportedPod, match=r"volume v: .* is not a path inside the volume"):
        pod_files(pod, a_plan(pod), SITE)


def test_no_secret_is_shown_by_repr() -> None:
    pod = a_pod(
        a_container("main", "true", env={"A": "s3cr3t"}),
        volumes=(FilesVolume(name="v", files=(VolumeFile(path="f", content=b"s3cr3t"),)),),
    )

    assert "s3cr3t" not in repr(pod_files(pod, a_plan(pod), SITE))
