"""A job script of interLink's (``JobScriptTemplate``, ``jobscriptURL``) in place of the containers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.daemon import Daemon
from tests.e2e.pods import IMAGE, a_pod
from tests.e2e.waiting import until
from tests.running import running
from tests.virtual_kubelet.admission import Json
from tests.virtual_kubelet.kubelet import VirtualKubelet

SCRIPT = f"""#!/bin/bash
echo "on $SLURM_JOB_NUM_NODES node for $FROM_PRE_EXEC"
apptainer --quiet exec "$IMAGES/{IMAGE}" sh -c 'echo from a container; exit 4'
echo $? >"$SANDBOX/run-main.status"
[[ $MODE != wait ]] || sleep 4321
"""


class Templated(VirtualKubelet):
    """interLink with a template for job scripts."""

    def create_request(self, pod: Json) -> Json:
        return super().create_request(pod) | {"jobScript": SCRIPT}


@pytest.fixture
def templated(daemon: Daemon) -> Iterator[VirtualKubelet]:
    kubelet = Templated(socket=daemon.socket)
    yield kubelet
    kubelet.close()


def a_scripted_pod(name: str, image: Path, mode: str = "") -> Json:
    text = f"export FROM_PRE_EXEC=me IMAGES={image.parent} MODE={mode}"
    return a_pod(name, script="echo never", annotations={"slurm-job.vk.io/pre-exec": text})


def test_the_script_runs_once_and_tells_the_container_s_code(
    templated: VirtualKubelet, daemon: Daemon, image: Path
) -> None:
    pod = templated.create_pod(a_scripted_pod("scripted", image))
    templated.create_again("scripted")
    templated.wait_for("scripted", "Failed")

    assert templated.container("scripted")["state"]["terminated"]["exitCode"] == 4
    assert templated.logs("scripted").splitlines() == ["on 1 node for me", "from a container"]
    assert list(daemon.jobs(pod["metadata"]["uid"])) == [templated.job_id_of("scripted")]


def test_a_deleted_pod_s_script_ends_with_all_that_it_runs(templated: VirtualKubelet, image: Path) -> None:
    templated.create_pod(a_scripted_pod("scripted-long", image, mode="wait"))
    templated.wait_for("scripted-long", "Running")
    until(lambda: bool(running("sleep 4321")), "the script is at its last line")
    templated.delete_pod("scripted-long", grace_seconds=20)

    until(lambda: not running("sleep 4321"), "the script has ended")
