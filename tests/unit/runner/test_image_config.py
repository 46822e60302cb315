"""The configuration that an image file carries, and what it makes of a pod's command and environment."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.runner.node import image_config, sif
from sidecar.runner.node.image_config import ImageConfig, command_of, environment_of, parse

if TYPE_CHECKING:
    from sidecar.runner.contract.pod_document import ContainerDocument

OF_RUNTIME = b'{"data":{"attributes":{"labels":{}}}}'
CONFIG = {"Env": ["PATH=/bin", "X=a=b"], "Entrypoint": ["/e"], "Cmd": ["c"], "WorkingDir": "/srv", "User": "7:8"}
ARM64 = struct.pack("<ii4s", 1, 2, b"04")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(list(CONFIG)), inner),
)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5000)


def descriptor(kind: int, offset: int, size: int, extra: bytes = b"", *, used: bool = True) -> bytes:
    return struct.pack("<i?IIIqqqqqqq128s384s", kind, used, 1, 1, 0, offset, size, size, 0, 0, 0, 0, b"name", extra)


def header(total: int, offset: int = 128, magic: bytes = b"SIF_MAGIC\0") -> bytes:
    numbers = (0, 0, 0, total, offset, 0, 0, 0)
    return struct.pack("<32s10s3s3s16sqqqqqqqq", b"#!launch", magic, b"01", b"02", b"\1" * 16, *numbers)


def a_sif(folder: Path, *objects: tuple[int, bytes, bytes]) -> str:
    """An image file with these objects: kind, data, extra."""
    at = 128 + 585 * len(objects)
    table, content = b"", b""
    for kind, data, extra in objects:
        table += descriptor(kind, at + len(content), len(data), extra)
        content += data
    path = folder / "image.sif"
    path.write_bytes(header(len(objects)) + table + content)
    return str(path)


def json_object(value: Any) -> tuple[int, bytes, bytes]:
    return sif.GENERIC_JSON, value if isinstance(value, bytes) else json.dumps(value).encode(), b""


def test_the_configuration_is_told_from_what_the_runtime_knows(tmp_path: Path) -> None:
    config = image_config.read(a_sif(tmp_path, json_object(OF_RUNTIME), json_object(CONFIG)))

    assert config is not None
    assert vars(config) == {
        "env": [("PATH", "/bin"), ("X", "a=b")],
        "entrypoint": ["/e"],
        "cmd": ["c"],
        "working_dir": "/srv",
        "user": "7:8",
    }


def test_an_image_from_a_definition_has_no_configuration(tmp_path: Path) -> None:
    assert image_config.read(a_sif(tmp_path, json_object(OF_RUNTIME))) is None


def test_an_empty_configuration_is_one(tmp_path: Path) -> None:
    config = image_config.read(a_sif(tmp_path, json_object({"Env": None, "Cmd": None})))

    assert config is not None
    assert vars(config) == {"env": [], "entrypoint": [], "cmd": [], "working_dir": "", "user": ""}


def test_a_configuration_of_more_than_a_mebibyte_is_not_read(tmp_path: Path) -> None:
    path = a_sif(tmp_path, json_object({"Env": ["X=" + "x" * 2**20]}))

    assert image_config.read(path) is None


@pytest.mark.parametrize("path", ["/no/such/file", "/dev/zero", "/usr", "/etc/passwd", "a\0b"])
def test_what_is_no_image_file_has_no_configuration(path: str) -> None:
    assert image_config.read(path) is None
    assert image_config.wrong_architecture(path) is None


def test_a_pipe_in_the_place_of_an_image_stops_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert image_config.read(str(tmp_path / "pipe")) is None


@pytest.mark.parametrize(
    "damaged",
    [
        {"Env": "PATH=/bin"},
        {"Env": [1]},
        {"Entrypoint": ["a\0b"]},
        {"Cmd": {"0": "a"}},
        {"WorkingDir": ["/"]},
        {"User": 7},
        b'{"Cmd": ["\\ud800"]}',
        b"[" * 100_000,
        b"\xff",
        b"[]",
        b"",
    ],
)
def test_a_damaged_configuration_is_none(damaged: Any) -> None:
    assert parse(damaged if isinstance(damaged, bytes) else json.dumps(damaged).encode()) is None


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_data_is_more_than_a_configuration_or_nothing(data: bytes) -> None:
    config = parse(data)

    if config is not None:
        words = [*config.entrypoint, *config.cmd, config.working_dir, config.user, *sum(config.env, ())]
        assert all(os.fsencode(word) and b"\0" not in os.fsencode(word) for word in words if word)


@given(
    st.lists(st.tuples(st.sampled_from([sif.GENERIC_JSON, sif.PARTITION, 0]), NUMBERS, NUMBERS), max_size=4),
    NUMBERS,
    NUMBERS,
    st.binary(max_size=64),
)
def test_a_hostile_file_is_never_more_than_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    objects: list[tuple[int, int, int]],
    total: int,
    offset: int,
    rest: bytes,
) -> None:
    path = tmp_path_factory.getbasetemp() / "hostile.sif"
    for number, at in ((len(objects), 128), (total, 128), (len(objects), offset)):
        path.write_bytes(header(number, at) + b"".join(descriptor(*one) for one in objects) + rest)
        assert image_config.read(str(path)) is None or rest.startswith(b"{")
        image_config.wrong_architecture(str(path), "x86_64")


@given(st.data())
def test_a_damaged_byte_never_stops_the_reader(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.getbasetemp()
    path = Path(a_sif(folder, (sif.PARTITION, b"fs", ARM64), json_object(OF_RUNTIME), json_object(CONFIG)))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])

    image_config.read(str(path))
    image_config.wrong_architecture(str(path), "x86_64")


def test_an_image_of_another_architecture_is_told(tmp_path: Path) -> None:
    path = a_sif(tmp_path, (sif.PARTITION, b"fs", ARM64))

    assert image_config.wrong_architecture(path, "aarch64") is None
    assert image_config.wrong_architecture(path, "s390x") == (
        "the image is for arm64 processors, and this node has s390x (s390x)"
    )


def test_nothing_is_said_of_an_unknown_machine(tmp_path: Path) -> None:
    path = a_sif(tmp_path, (sif.PARTITION, b"fs", ARM64))

    assert image_config.wrong_architecture(path, "vax") is None


@pytest.mark.parametrize(
    ("command", "args", "expected"),
    [
        ([], [], ["/e", "c"]),
        (["x"], [], ["x"]),
        ([], ["y"], ["/e", "y"]),
        (["x"], ["y"], ["x", "y"]),
    ],
)
def test_the_pod_overrides_the_image_as_kubernetes_says(
    command: list[str], args: list[str], expected: list[str]
) -> None:
    config = ImageConfig([], ["/e"], ["c"], "", "")

    assert command_of(a_container(command, args), config) == expected
    assert command_of(a_container(command, args), None) == [*command, *args]


def a_container(command: list[str], args: list[str]) -> ContainerDocument:
    container: Any = {"command": command, "args": args}
    document: ContainerDocument = container
    return document


def test_the_pods_variables_win_over_the_images() -> None:
    config = ImageConfig([("PATH", "/bin"), ("A", "image")], [], [], "", "")
    pod = [["A", "pod"], ["B", "1"], ["B", "2"]]

    assert environment_of(config, pod) == [("PATH", "/bin"), ("A", "pod"), ("B", "2")]
    assert environment_of(None, pod) == [("A", "pod"), ("B", "2")]
