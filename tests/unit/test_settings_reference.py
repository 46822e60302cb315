"""The documentation and the example of the configuration agree with the program."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from sidecar.settings import Settings, load, render_reference

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "configuration.md"


def test_the_documentation_is_up_to_date() -> None:
    written = DOCUMENT.read_text("utf-8")

    assert written == render_reference(), (
        "write it again: python -c 'import sidecar.settings as s; print(s.render_reference(), end=str())'"
        " > docs/configuration.md"
    )


def test_the_documentation_has_every_key_and_variable() -> None:
    rendered = render_reference()
    names = {setting.name for f in fields(Settings) if (setting := f.metadata.get("setting"))}

    assert {name for name in names if f"`{name}`" not in rendered} == set()


def test_a_fields_name_is_its_key_in_snake_case() -> None:
    names = {f.name: f.metadata["setting"].key for f in fields(Settings) if "setting" in f.metadata}

    for name, key in names.items():
        assert not key or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower() == name


def test_the_example_is_valid_for_any_user() -> None:
    settings = load(ROOT / "examples" / "SlurmConfig.yaml", {"HOME": "/home/site"}, uid=1000)

    assert settings.remarks == ()
    assert set(settings.flavors) == {"default", "gpu"}
