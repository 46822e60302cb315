"""GPUs of the job for containers that ask for some."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Mapping, Optional

    from sidecar.runner.contract.pod_document import GpuDocument

_VARIABLES = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ZE_AFFINITY_MASK")
"""What Slurm's plugins set for the job's GPUs. Source: https://slurm.schedmd.com/gres.html"""


def variables_of(gpus: "Optional[GpuDocument]", environment: "Mapping[str, str]") -> "Dict[str, str]":
    """Tell a container which of the job's GPUs are its own; its own environment wins over these variables.

    Where a flag has asked for another number of GPUs than the pod's containers do, each container has all of them.

    :param gpus: the container's share; ``None``: it asks for no devices
    :param environment: the job's
    """
    if gpus is None:
        return {}
    return {name: _share(environment[name], gpus) for name in _VARIABLES if environment.get(name)}


def _share(value: str, gpus: "GpuDocument") -> str:
    """The container's part of a list; a comma may end it."""
    everyone = value[: -len(",")] if value.endswith(",") else value
    ids = everyone.split(",") if everyone else []
    if len(ids) == gpus["out_of"]:
        ids = ids[gpus["first"] : gpus["first"] + gpus["count"]]
    return ",".join(ids)
