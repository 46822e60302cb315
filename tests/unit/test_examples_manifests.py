"""Every manifest in ``examples/`` is a pod that ``submit`` and the sidecar take, with nothing in it unknown."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from sidecar.cli import documents, manifest
from sidecar.domain.plan import SitePolicy
from sidecar.errors import UnsupportedPod
from sidecar.wire import create

EXAMPLES = Path(__file__).parents[2] / "examples"
MANIFESTS = sorted(path for path in EXAMPLES.glob("*.yaml") if path.stem != "SlurmConfig")
SITE = SitePolicy(enable_probes=True, persistent_volume_claims={"results": "/results"})
ONLY_IN_KUBERNETES = {"projected": "service account tokens"}
"""What ``submit`` cannot make of an example without Kubernetes, and says so."""


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_manifest_is_taken_as_a_whole(path: Path) -> None:
    if path.stem in ONLY_IN_KUBERNETES:
        with pytest.raises(UnsupportedPod, match=ONLY_IN_KUBERNETES[path.stem]):
            manifest.create_request(documents.read(path), "default")
        return
    request = manifest.create_request(documents.read(path), "default")

    pod = create.read(msgspec.json.encode(request), SITE)

    assert [note for note in pod.notes if "unknown" in note] == []


def test_every_manifest_is_in_the_list_of_examples() -> None:
    listed = (EXAMPLES / "README.md").read_text("utf-8")

    assert [path.name for path in EXAMPLES.glob("*.yaml") if f"]({path.name})" not in listed] == []
