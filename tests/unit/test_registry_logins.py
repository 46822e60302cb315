"""``RegistryAuthFile``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sidecar.errors import JobFilesError
from sidecar.pod_files import registry_logins
from tests.registry import login


def test_a_site_without_a_file_has_no_logins(tmp_path: Path) -> None:
    assert registry_logins.of_site(None, "lab") == ()
    assert registry_logins.of_site(tmp_path / "absent.json", "lab") == ()


def test_a_file_may_be_for_one_namespace(tmp_path: Path) -> None:
    (tmp_path / "lab.json").write_text(json.dumps(login("registry.example")))

    [found] = registry_logins.of_site(tmp_path / "{namespace}.json", "lab")
    assert found.host == "registry.example"
    assert registry_logins.of_site(tmp_path / "{namespace}.json", "other") == ()


def test_a_file_of_another_form_is_told_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "auth.json").write_text("hush")

    with pytest.raises(JobFilesError, match=r"RegistryAuthFile .*auth.json: it is not") as raised:
        registry_logins.of_site(tmp_path / "auth.json", "lab")
    assert "hush" not in str(raised.value)
