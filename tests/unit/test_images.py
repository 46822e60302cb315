"""Image names."""

from __future__ import annotations

import pytest

from sidecar.domain.images import default_pull_policy, resolve
from sidecar.domain.pod import PullPolicy
from sidecar.errors import UnsupportedPod


@pytest.mark.parametrize(
    "image",
    [
        "/images/busybox.sif", "docker://busybox", "oras://registry.example/x:1", "library://a/b/c", "shub://a/b",
        "https://example.org/x.sif", "oci:folder:tag", "docker-archive:/tmp/x.tar", "oci-archive:/x.tar",
    ],
)  # fmt: skip
def test_a_uri_or_an_absolute_path_stays_as_it_is(image: str) -> None:
    assert resolve(image, image_root="/images", image_prefix="docker://") == image


@pytest.mark.parametrize(
    ("image_root", "image_prefix", "expected"),
    [
        ("", "", "docker://busybox:1.36"),
        ("", "docker://mirror.example/", "docker://mirror.example/busybox:1.36"),
        ("/cvmfs/images", "docker://", "/cvmfs/images/busybox:1.36"),
        ("/cvmfs/images/", "", "/cvmfs/images/busybox:1.36"),
        ("library://site/", "docker://", "library://site/busybox:1.36"),
    ],
)
def test_before_another_name_goes_the_pods_root_or_the_sites_prefix(
    image_root: str, image_prefix: str, expected: str
) -> None:
    assert resolve("busybox:1.36", image_root=image_root, image_prefix=image_prefix) == expected


@pytest.mark.parametrize("image", ["localhost:5000/a:1", "oci.example/a", "docker.io/library/busybox"])
def test_a_registrys_host_is_no_scheme(image: str) -> None:
    assert resolve(image, image_root="", image_prefix="") == f"docker://{image}"


@pytest.mark.parametrize("image", ["", "-x", "--bind=/:/", "a b", "a\nb", "a\tb", "a\0b", "a\x7f"])
def test_what_is_no_name_is_refused(image: str) -> None:
    with pytest.raises(UnsupportedPod, match=r"^InvalidImageName: "):
        resolve(image, image_root="", image_prefix="")


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("busybox", PullPolicy.ALWAYS),
        ("busybox:latest", PullPolicy.ALWAYS),
        ("busybox:1.36", PullPolicy.IF_NOT_PRESENT),
        ("localhost:5000/busybox", PullPolicy.ALWAYS),
        ("localhost:5000/busybox:1", PullPolicy.IF_NOT_PRESENT),
        ("busybox@sha256:0123", PullPolicy.IF_NOT_PRESENT),
        ("busybox:latest@sha256:0123", PullPolicy.IF_NOT_PRESENT),
    ],
)
def test_latest_is_fetched_always(image: str, policy: PullPolicy) -> None:
    assert default_pull_policy(image) is policy
