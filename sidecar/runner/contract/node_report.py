"""What ``check --job`` asks of a node, and what its job answers in one line after :data:`MARK`."""

TYPE_CHECKING = False
if TYPE_CHECKING:  # novm
    from typing import List, TypedDict

    class WantedOfNode(TypedDict):
        """What the daemon asks."""

        folder: str
        """Of the data folder, to write in; empty: nodes do not see it."""
        runtime: str
        """``singularity`` (also Apptainer) or ``enroot``."""
        runtime_program: str
        runtime_prefix: str
        runtime_options: List[str]
        bash: str
        image: str
        """To start a container of; empty: none."""
        writable: bool
        """Whether its file system shall be writable."""

    class NodeReport(TypedDict):
        """What the node answers; a problem is empty where there is none."""

        node: str
        python: str
        python_path: str
        tmpdir: str
        tmpdir_problem: str
        data_problem: str
        namespaces_problem: str
        has_overlay: bool
        has_fuse: bool
        runtime: str
        """The program's file and what it says its version is."""
        runtime_problem: str
        has_container: bool
        """Whether one was tried."""
        container_problem: str
        overlay_problem: str
        """Why a container could be started only with a read-only file system."""


MARK = "slurm-sidecar-check: "
MAX_TEXT = 200
"""Characters of one problem."""
