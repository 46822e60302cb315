"""What a site is told about a configuration that cannot work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import InvalidSettings
from sidecar.settings import load, reference

Problems = Callable[..., list[str]]


@pytest.fixture
def problems(tmp_path: Path) -> Problems:
    """What user 1000 is told about this text and these variables, the file's name shortened to ``F``."""

    def problems(text: str = "", *, uid: int = 1000, **env: str) -> list[str]:
        path = tmp_path / "SlurmConfig.yaml"
        path.write_text(text, "utf-8")
        return problems_of(path, uid=uid, **env)

    return problems


def problems_of(path: Path | None, *, uid: int = 1000, **env: str) -> list[str]:
    """The problems, with the file's path replaced by ``F``."""
    with pytest.raises(InvalidSettings) as caught:
        load(path, {"HOME": "/home/site", **env}, uid=uid)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return [problem.replace(str(path), "F") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ExtendedResources: {fpga: '--gres=fpga:{count}'}", "ExtendedResources.fpga is not the name of an extended"),
        ("ExtendedResources: {a/b: '--gres=fpga:1'}", "ExtendedResources.a/b is '--gres=fpga:1', but must be one item"),
        ("ExtendedResources: {a/b: '--gres=a:{count},b:1'}", "but must be one item of --gres or --licenses"),
        ("ExtendedResources: {a/b: '--constraint=x{count}'}", "but must be one item of --gres or --licenses"),
        ("ExtraSbatchOptions: [--wrap]", "is --wrap, which no pod may set, because the script is the sidecar's"),
        ("ExtraSbatchOptions: ['a b']", "must be an option's long name, such as container-image"),
        ("MaxPods: -1", "MaxPods is '-1', but must be a whole number from 0 to 1000000"),
    ],
)
def test_devices_and_options_that_cannot_be_are_told(problems: Problems, text: str, problem: str) -> None:
    (told,) = problems(text)

    assert problem in told


def test_every_problem_is_listed_at_once_with_its_line(problems: Problems) -> None:
    text = """\
SidecarPort: 70000
Tsocks: maybe
Flavors:
  gpu:
    CPUDefault: many
    SlurmFlags: [partition=x]
    Colour: red
DataRootFolder: [a]
"""

    assert problems(text, SBATCHPATH="bin/sbatch") == [
        "F:1: SidecarPort is '70000', but must be a whole number from 1 to 65535.",
        "F:2: Tsocks is 'maybe', but must be true or false.",
        "F:7: Flavors.gpu.Colour is not a setting: remove it, or see docs/configuration.md for the names there are.",
        "F:5: Flavors.gpu.CPUDefault is 'many', but must be a whole number from 0 to 1000000.",
        "F:6: Flavors.gpu.SlurmFlags[1] is 'partition=x', but must be an sbatch option such as --partition=cpu.",
        "F:8: DataRootFolder is a list, but must be one value.",
        "environment: SBATCHPATH is 'bin/sbatch', but must be an absolute path, or a name without slashes.",
    ]


@pytest.mark.parametrize(
    ("written", "meant"), [("SidecarPrt", "SidecarPort"), ("datarootfolder", "DataRootFolder"), ("Flavor", "Flavors")]
)
def test_a_misspelt_key_is_answered_with_the_right_one(problems: Problems, written: str, meant: str) -> None:
    assert problems(f"{written}: 1") == [f"F:1: {written} is not a setting; did you mean {meant}?"]


def test_a_key_written_twice_is_a_problem_at_every_level(problems: Problems) -> None:
    assert problems("Namespace: a\nNamespace: b\nFlavors:\n  a: {UID: 1000, UID: 1000}\n  a: {}\n") == [
        "F:2: Namespace is already set on line 1; keep one of the two.",
        "F:5: Flavors.a is already set on line 4; keep one of the two.",
        "F:4: Flavors.a.UID is already set on line 4; keep one of the two.",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Socket: unix://", "Socket is 'unix://', but must be the path of a socket"),
        (f"Socket: /{'s' * 107}", "but must be a path of at most 107 bytes, the limit for sockets."),
        ("ListenAddress: localhost", "but must be an IP address such as 127.0.0.1 or ::1."),
        ("BashPath: bash", "BashPath is 'bash', but must be an absolute path"),
        ("RunnerPython: python3", "RunnerPython is 'python3', but must be an absolute path"),
        ("ContainerLogMaxSize: much", "but must be a size in bytes such as 10Gi or 500M."),
        ("ContainerLogMaxSize: -1", "but must be a size in bytes such as 10Gi or 500M."),
        ("ContainerLogMaxSize: 1Ki", "but must be 0 or at least 64Ki."),
        ("ContainerLogMaxFiles: 1", "but must be a whole number from 2 to 1000."),
        ("Namespace: Not_A_Label", "but must be at most 63 lower-case letters, digits and dashes"),
        ("DefaultMemory: 16 apples", "an amount of memory such as 16G or 32000M (a plain number is MiB)"),
        ("SlurmTimeout: 0", "but must be a number of seconds from 0.1 to 86400."),
        ("DatabaseJournalMode: memory", "but must be wal or delete."),
        ("LogFormat: xml", "but must be auto or text or json."),
        ("AllowedHostPaths: [scratch]", "AllowedHostPaths[1] is 'scratch', but must be an absolute path."),
        (
            "PersistentVolumeClaims: {data: scratch}",
            "PersistentVolumeClaims.data is 'scratch', but must be an absolute",
        ),
        ("PersistentVolumeClaims: {a/b/c: /x}", "PersistentVolumeClaims.a/b/c is not named after a claim"),
        ("SingularityDefaultOptions: ['--env \"X']", "but must be text whose quotes are closed."),
        ("SingularityDefaultOptions: {a: b}", "is a mapping, but must be a list."),
        ('DataRootFolder: "/a\\nb"', "one line of text without control characters"),
        ('CommandPrefix: "a\\0b"', "but must be text without NUL characters."),
        ("DataRootFolder: $NOWHERE/jobs", "uses $NOWHERE, which is not set in the daemon's environment."),
        ("DataRootFolder: ~bob/jobs", "begins with '~bob'; write that home directory out."),
        ("ContainerRuntime: docker", "but must be singularity or enroot."),
        ("DefaultFlavor: big", "DefaultFlavor is 'big', which is not one of Flavors (none)."),
        ("DefaultFlavor: big\nFlavors: {a: {}, b: {}}", "is 'big', which is not one of Flavors (a, b)."),
        ("Flavors: [a]", "Flavors is a list, but must be a mapping of keys to values."),
        ("Flavors: {a: {<<: 1}}", "Flavors.a has a merge key (<<) that does not name a mapping."),
        ("Taints: [{Value: x}]", "Taints[1] has no Key and no Effect."),
        ("Taints: [{Key: x, Effect: Never}]", "but must be NoSchedule or PreferNoSchedule or NoExecute."),
        ("? [a]\n: 1", "has a key on line 1 that is not plain text."),
        ("- a", "must be a mapping of keys to values."),
        ("just words", "must be a mapping of keys to values."),
    ],
)
def test_a_value_that_cannot_work_is_answered_with_what_can(problems: Problems, text: str, sentence: str) -> None:
    (problem,) = problems(text)

    assert problem.startswith("F")
    assert sentence in problem


def test_unreadable_flavors_do_not_make_the_default_one_wrong_too(problems: Problems) -> None:
    assert len(problems("DefaultFlavor: a\nFlavors: [a]")) == 1
    assert len(problems("DefaultFlavor: a\nFlavors: {a: [b]}")) == 1


@pytest.mark.parametrize("text", ["DefaultUID: {}", "Flavors:\n  a:\n    UID: {}"])
def test_an_ordinary_users_daemon_runs_jobs_as_that_user_and_no_daemon_runs_them_as_root(
    problems: Problems, text: str
) -> None:
    assert "jobs never run as root" in problems(text.format(0))[0]
    assert "jobs never run as root" in problems(text.format(0), uid=0)[0]
    assert "Run the daemon as user 1001 or as root, or remove it." in problems(text.format(1001))[0]


@pytest.mark.parametrize("written", ["[0]", "[0-10]", "[20-10]", "[-5]", "[alice]", "[1000-]", "[4294967295]"])
def test_allowed_users_are_ids_and_ranges_without_root(problems: Problems, written: str) -> None:
    (problem,) = problems(f"AllowedUIDs: {written}", uid=0)

    assert "AllowedUIDs" in problem
    assert "must be a user id such as 1000, or a range such as 1000-1999" in problem


def test_a_tracing_key_without_its_certificate_is_a_problem(problems: Problems) -> None:
    (problem,) = problems(ENABLE_TRACING="1", TELEMETRY_CLIENT_KEY_FILEPATH="/k")

    assert problem.startswith("environment: TELEMETRY_CLIENT_KEY_FILEPATH and TELEMETRY_CLIENT_CRT_FILEPATH belong")


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("A: 1\nB: [1, 2\nC: 3\n", 3, "flow sequence"),
        ("A: 1\n\tB: 2\n", 2, "cannot start any token"),
        ("A: 1\nB: *nobody\n", 2, "undefined alias"),
        ("A: 1\nB: \x01\n", 2, "a character that YAML does not allow"),
        ("A: 1\n---\nB: 1\n", 2, "another document"),
    ],
)
def test_a_syntax_error_is_one_sentence_with_its_line(problems: Problems, text: str, line: int, what: str) -> None:
    (problem,) = problems(text)

    assert problem.startswith(f"F:{line}: this is not valid YAML: ")
    assert what in problem


def test_a_missing_file_is_answered_with_how_to_name_one(tmp_path: Path) -> None:
    sentence = "There is no configuration at F; name one with --config FILE or SLURMCONFIGPATH."

    assert problems_of(tmp_path / "absent.yaml") == [sentence]


def test_a_file_that_cannot_be_read_is_answered_with_the_cause(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"Namespace: \xe9")

    assert problems_of(tmp_path) == ["F cannot be read: Is a directory."]
    assert problems_of(tmp_path / "latin") == ["F is not UTF-8 text; save it as UTF-8."]


def test_a_user_without_a_home_is_told_to_set_one(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("DatabasePath: /db/x.db")

    (problem,) = problems_of(tmp_path / "c.yaml", uid=4_000_000_001, HOME="")

    assert problem == "HOME is not set and user 4000000001 is not in the password database; set HOME."


def test_a_problem_shows_only_the_beginning_of_a_long_value(problems: Problems) -> None:
    (problem,) = problems(f"SidecarPort: {'9' * 5000}")

    assert len(problem) < 200


@given(st.integers(1, 10**9), st.sampled_from("KMGT"), st.sampled_from(["", "B", "iB", "b"]))
def test_any_amount_of_memory_comes_out_in_bytes(
    tmp_path_factory: pytest.TempPathFactory, n: int, unit: str, tail: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "memory.yaml"
    path.write_text(f"DefaultMemory: {n}{unit}{tail}")

    assert load(path, {"HOME": "/"}).default_memory == n * 1024 ** ("KMGT".index(unit) + 1)


PIECES = [*(setting.key for setting in reference()), *":-[]{},?|' \n", "<<", "&a ", "*a ", "!!x ", '"\\n"']


@given(st.text() | st.lists(st.sampled_from(PIECES)).map("".join))
def test_whatever_the_file_holds_it_is_read_or_refused_in_sentences(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))

    assert all(problem.startswith(str(path)) and "\n" not in problem for problem in _said_about(path))


def _said_about(path: Path) -> list[str]:
    try:
        load(path, {"HOME": "/"})
    except InvalidSettings as error:
        return error.problems
    return []


def test_a_proxy_needs_its_library_and_a_login_node(problems: Problems) -> None:
    assert problems("Tsocks: true\nTsocksPath: lib.so") == [
        "Tsocks is true, so TsocksPath must be the absolute path of libtsocks.so on the compute nodes.",
        "Tsocks is true, so TsocksLoginNode must name the host where the tunnel leads.",
    ]
