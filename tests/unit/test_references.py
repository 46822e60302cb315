"""Names of images in registries."""

from __future__ import annotations

import pytest

from sidecar.domain.references import checked, digest_of, repository_of

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("reference", "repository"),
    [
        ("busybox", ("docker.io", "library/busybox")),
        ("busybox:1.36", ("docker.io", "library/busybox")),
        ("lab/tool", ("docker.io", "lab/tool")),
        ("docker.io/library/busybox", ("docker.io", "library/busybox")),
        ("localhost/tool", ("localhost", "tool")),
        ("localhost:5000/a/b:1", ("localhost:5000", "a/b")),
        ("registry.example/lab/tool", ("registry.example", "lab/tool")),
        ("[::1]:5000/tool", ("[::1]:5000", "tool")),
        (f"registry.example/tool@{DIGEST}", ("registry.example", "tool")),
    ],
)
@pytest.mark.parametrize("scheme", ["docker", "oras"])
def test_a_name_has_a_registry_and_a_repository(scheme: str, reference: str, repository: tuple[str, str]) -> None:
    assert checked(f"{scheme}://{reference}") == f"{scheme}://{reference}"
    assert repository_of(f"{scheme}://{reference}") == repository


@pytest.mark.parametrize("uri", ["/images/a.sif", "https://example.org/a.sif", "library://a/b", "oci:folder:tag"])
def test_other_images_are_in_no_registry(uri: str) -> None:
    assert repository_of(uri) is None
    assert digest_of(uri) == ""


def test_a_digest_makes_the_tag_superfluous() -> None:
    assert checked(f"docker://registry.example/tool:1@{DIGEST}") == f"docker://registry.example/tool@{DIGEST}"
    assert digest_of(f"docker://registry.example/tool@{DIGEST}") == DIGEST
    assert digest_of("docker://registry.example/tool:1") == ""


@pytest.mark.parametrize(
    "reference",
    [
        "", "/", "a//b", "a/", "a:", "a:b:c", "a@", "a@sha256:0123", f"a@{DIGEST.upper()}", f"a@md5:{'0' * 64}",
        "-a", "a-", "a..b", "a___b", "a:" + "t" * 129, "a:.t", "a/" * 128 + "a", "host:port/a", "ä",
    ],
)  # fmt: skip
def test_what_no_registry_has_is_refused(reference: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        checked(f"docker://{reference}")


def test_capital_letters_are_the_usual_mistake() -> None:
    with pytest.raises(ValueError, match="lower case"):
        checked("docker://registry.example/Lab/Tool:1")
