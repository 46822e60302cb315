"""Which runtime fetches images at this site."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidecar.runner.node.image_pull import PullRuntime


def pull_runtime(runtime: str, program: str, private: str) -> "PullRuntime":
    """What fetches images.

    :param runtime: ``singularity`` (also Apptainer) or ``enroot``
    :param private: a folder of this job's alone
    """
    if runtime == "enroot":
        from sidecar.runner.runtimes.enroot import Enroot

        return Enroot(program, os.path.join(private, "enroot"))
    from sidecar.runner.runtimes.apptainer import Apptainer

    return Apptainer(program)
