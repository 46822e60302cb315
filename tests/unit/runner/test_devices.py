"""GPUs: which of the job's a container is told of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.runner.node.devices import variables_of


@pytest.mark.parametrize(
    ("given", "first", "count", "told"),
    [
        ("0,1,4,5", 0, 1, "0"),
        ("0,1,4,5", 1, 2, "1,4"),
        ("0,1,4,5", 3, 0, ""),
        ("0,1,4,5,", 3, 1, "5"),
        ("GPU-a,GPU-b,MIG-c,GPU-d", 1, 2, "GPU-b,MIG-c"),
        ("0,1,4,5,6", 0, 1, "0,1,4,5,6"),
        ("0", 0, 1, "0"),
    ],
)
def test_a_container_is_told_of_its_share_or_of_all(given: str, first: int, count: int, told: str) -> None:
    share = variables_of({"first": first, "count": count, "out_of": 4}, {"CUDA_VISIBLE_DEVICES": given})

    assert share == {"CUDA_VISIBLE_DEVICES": told}


def test_only_what_slurm_has_set_is_told() -> None:
    job = {"CUDA_VISIBLE_DEVICES": "", "ROCR_VISIBLE_DEVICES": "0,1", "GPU_DEVICE_ORDINAL": "0,1", "OTHER": "0,1"}

    assert variables_of({"first": 1, "count": 1, "out_of": 2}, job) == {
        "ROCR_VISIBLE_DEVICES": "1",
        "GPU_DEVICE_ORDINAL": "1",
    }


def test_a_container_that_asks_for_no_devices_is_told_nothing() -> None:
    assert variables_of(None, {"CUDA_VISIBLE_DEVICES": "0"}) == {}


@given(st.lists(st.integers(0, 99).map(str), min_size=1), st.data())
def test_containers_side_by_side_share_all_gpus(gpus: list[str], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(gpus)))
    job = {"ZE_AFFINITY_MASK": ",".join(gpus)}
    one = variables_of({"first": 0, "count": cut, "out_of": len(gpus)}, job)["ZE_AFFINITY_MASK"]
    two = variables_of({"first": cut, "count": len(gpus) - cut, "out_of": len(gpus)}, job)["ZE_AFFINITY_MASK"]

    assert [gpu for gpu in f"{one},{two}".split(",") if gpu] == gpus
