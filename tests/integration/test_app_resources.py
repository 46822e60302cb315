"""What a pod asks for, over real HTTP: what goes to sbatch, what is recorded, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sidecar.pod_files.paths import PodDirectory
from tests.factories import UID, Json, a_container_json, a_pod_json, a_request
from tests.integration.app import App, running


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    mapping = {"vendor.com/fpga": "--gres=fpga:{count}"}
    with running(tmp_path_factory.mktemp("app"), ExtendedResources=mapping, ExtraSbatchOptions=["partly"]) as app:
        yield app


def asking(limits: Json, flags: str = "") -> Json:
    annotations = {"slurm-job.vk.io/flags": flags} if flags else {}
    return a_request(a_pod_json(a_container_json(resources={"limits": limits}), annotations=annotations))


def test_devices_and_scratch_space_are_on_record_and_devices_in_the_script(app: App) -> None:
    limits = {"nvidia.com/gpu": 1, "vendor.com/fpga": 2, "ephemeral-storage": "2Gi"}
    assert app.create(asking(limits, flags="--partly --gpus=2")).status_code == 200

    script = PodDirectory.of(app.root / "jobs", namespace="lab", uid=UID).script.read_text().splitlines()
    assert [line for line in script if line.startswith(("#SBATCH --g", "#SBATCH --part"))] == [
        "#SBATCH --partly",
        "#SBATCH --gpus=2",
        "#SBATCH --gres=fpga:2",
    ]
    state = app.daemon.context.service.states([UID])[UID]
    assert "nvidia.com/gpu: 1 asked for, but --gpus=2 counts, which asks for 2" in state.notes
    assert b'"requested_ephemeral_storage_bytes":2147483648' in app.everything_stored()
    assert b'"requested_devices":[["nvidia.com/gpu",1],["vendor.com/fpga",2]]' in app.everything_stored()


@pytest.mark.parametrize(
    ("limits", "flags", "words"),
    [
        (
            {"vendor.com/tpu": 1},
            "",
            "container main: resources: vendor.com/tpu is not available at this site; Ext",
        ),
        ({"nvidia.com/gpu": "0.5"}, "", "container main: resources: nvidia.com/gpu: 0.5 cannot be had, for it is not"),
        (
            {},
            "--partiton=x",
            "annotation slurm-job.vk.io/flags: '--partiton' is not an sbatch option; did you mean --",
        ),
        ({}, "--signal=B:TERM", "annotation slurm-job.vk.io/flags: --signal cannot be set, because the job's"),
    ],
)
def test_what_cannot_be_had_is_one_sentence(app: App, limits: Json, flags: str, words: str) -> None:
    request = asking(limits, flags)
    request["pod"]["metadata"]["uid"] = "5b7b9d0e-1111-4222-8333-444455556666"

    refused = app.create(request)

    assert refused.status_code == 422
    assert refused.text.startswith(words)
    assert "\n" not in refused.text
