"""What the supervisor does before and after the containers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sidecar.runner import supervise
from sidecar.runner.job import Job
from tests.unit.runner.documents import a_pod
from tests.unit.runner.loops import InstantLoop, closing


@pytest.mark.parametrize("taken", ["work", "supervisor.pid"])
def test_where_nothing_can_be_made_on_the_node_the_job_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], taken: str
) -> None:
    private = tmp_path / "private"
    (private / taken).mkdir(parents=True)
    parts: Any = SimpleNamespace(prepare=lambda: None)
    with closing(InstantLoop()) as loop:
        document = a_pod(site={"shared_fs": False}, has_shell_text=True)
        job = Job(
            loop, document, directory=str(tmp_path), files_root=str(tmp_path), private=str(private), environment={}
        )
        code = loop.run(supervise._run(job, parts))

    assert code == 128
    assert f"the pod's folders cannot be made on node {job.node}: {private / taken}: " in capsys.readouterr().err
