"""sbatch options: one meaning whatever the spelling, and none that breaks the contract."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sidecar.domain.flags import EXCLUSIVE_GROUPS, Flag, merge, parse, value_of
from sidecar.domain.sbatch_options import (
    ALIASES,
    KNOWN,
    OPTIONAL_VALUE,
    REFUSED,
    SHORT,
    WITH_VALUE,
    WITHOUT_VALUE,
)
from sidecar.errors import UnsupportedPod

VALUES = st.text("abcXYZ0189:,.[]%/_=", min_size=1, max_size=12).filter(lambda v: not v.startswith("="))
LETTER_OF = {name: letter for letter, name in SHORT.items()}
ALIAS_OF = {name: alias for alias, name in ALIASES.items()}
SETTABLE = sorted(KNOWN - set(REFUSED))


def words_of(*words: str) -> list[str]:
    return [str(flag) for flag in parse(words, where="annotation")]


@pytest.mark.parametrize("words", [["-p", "short"], ["-pshort"], ["--partition", "short"], ["--partition=short"]])
def test_all_spellings_are_one_option(words: list[str]) -> None:
    assert words_of(*words) == ["--partition=short"]


def spellings(name: str, value: str) -> list[list[str]]:
    """Every way to write an option with a value."""
    letter = LETTER_OF.get(name)
    long_names = [name, *([ALIAS_OF[name]] if name in ALIAS_OF else [])]
    ways = [[f"--{long}={value}"] for long in long_names]
    if name in WITH_VALUE:
        ways += [["--" + long, value] for long in long_names] + ([[f"-{letter}", value]] if letter else [])
    return ways + ([[f"-{letter}{value}"], [f"-{letter}={value}"]] if letter else [])


@given(st.sampled_from([name for name in SETTABLE if name not in WITHOUT_VALUE]), VALUES)
def test_all_spellings_of_any_option_are_one_option(name: str, value: str) -> None:
    value = value.replace(",", "").lstrip("=") or "1"

    assert {tuple(words_of(*way)) for way in spellings(name, value)} == {(f"--{name}={value}",)}


@given(st.sampled_from([name for name in SETTABLE if name in WITHOUT_VALUE | OPTIONAL_VALUE]))
def test_all_spellings_of_an_option_without_a_value_are_one_option(name: str) -> None:
    ways = [f"--{name}", *(f"-{LETTER_OF[name]}" for _ in [0] if name in LETTER_OF)]
    ways += [f"--{ALIAS_OF[name]}"] if name in ALIAS_OF else []

    assert {tuple(words_of(way, "-t1")) for way in ways} == {(f"--{name}", "--time=1")}


@given(st.sampled_from(sorted(REFUSED)), VALUES)
def test_no_spelling_of_an_option_of_the_contract_gets_through(name: str, value: str) -> None:
    for way in [*spellings(name, value), [f"--{name}"], [f"--{name}", value]]:
        with pytest.raises(UnsupportedPod, match=f"^annotation: --{name} cannot be set, because "):
            words_of(*way)


def test_every_option_is_of_one_sort_and_every_letter_and_alias_stands_for_one() -> None:
    assert len(KNOWN) == len(WITH_VALUE) + len(WITHOUT_VALUE) + len(OPTIONAL_VALUE)
    assert {*SHORT.values(), *ALIASES.values(), *REFUSED} <= KNOWN
    assert not set(ALIASES) & KNOWN


def test_letters_without_values_can_stand_together() -> None:
    assert words_of("-Hp", "short", "-Os") == ["--hold", "--partition=short", "--overcommit", "--oversubscribe"]


def test_an_optional_value_is_never_the_next_word() -> None:
    assert words_of("--exclusive", "--nice=5", "-k", "--exclusive=user") == [
        "--exclusive", "--nice=5", "--no-kill", "--exclusive=user",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("word", "suggestion"),
    [
        ("--part=short", "did you mean --partition?"),
        ("--partitoin=short", "did you mean --partition?"),
        ("--arr=0-9", "did you mean --array?"),
        ("--gpus-per=1", "did you mean --gpus-per-node or --gpus-per-socket or --gpus-per-task?"),
        ("--container-imag=x", "did you mean --container-image?"),
        ("--Time=1", "did you mean --time?"),
        ("-Z", "'-Z' is not an sbatch option"),
        ("--wooden-table", "'--wooden-table' is not an sbatch option"),
    ],
)
def test_an_unknown_option_is_refused_with_what_was_probably_meant(word: str, suggestion: str) -> None:
    with pytest.raises(UnsupportedPod) as refusal:
        parse([word], where="annotation", extra=["container-image"])
    assert str(refusal.value).endswith(suggestion)


def test_the_options_of_the_sites_plugins_are_taken_with_a_value_or_without() -> None:
    words = ["--container-image=x", "--container-image", "y", "--no-entry", "-H"]
    flags = parse(words, where="annotation", extra=["container-image", "no-entry"])

    assert [str(flag) for flag in flags] == [
        "--container-image=x", "--container-image=y", "--no-entry", "--hold",
    ]  # fmt: skip


def test_a_value_where_none_belongs_is_told() -> None:
    with pytest.raises(UnsupportedPod, match="--hold takes no value"):
        words_of("--hold=now")


@pytest.mark.parametrize("word", ["short", "-", "--", "-Z", "---partition=x", "--=x", "--a b=c", "--Times=1", ""])
def test_what_is_no_option_is_refused(word: str) -> None:
    with pytest.raises(UnsupportedPod, match="is not an sbatch option"):
        words_of(word)


def test_one_word_cannot_smuggle_in_a_second_option() -> None:
    with pytest.raises(UnsupportedPod):
        words_of("--hold --array=0-9")
    assert words_of("--partition=short --array=0-9") == ["--partition=short --array=0-9"]  # one value, kept in quotes


@pytest.mark.parametrize(
    "words", [["--partition=a\nb"], ["-p\n"], ["--time=1\0"], ["--account", "a\n#SBATCH --array=0-9"], ["-A", "\n"]]
)
def test_a_line_break_is_refused_wherever_it_stands(words: list[str]) -> None:
    with pytest.raises(UnsupportedPod, match="line break"):
        words_of(*words)


@pytest.mark.parametrize("words", [["-p"], ["--partition"], ["-p", "--hold"], ["-p", ""], ["--partition="]])
def test_a_missing_value_is_told(words: list[str]) -> None:
    with pytest.raises(UnsupportedPod, match="--partition needs a value"):
        words_of(*words)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_an_option_of_the_contract_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(UnsupportedPod, match=f"^annotation: --{name} cannot be set, because "):
        words_of(f"--{name}=x")


@given(st.sampled_from(sorted(REFUSED)), st.data())
def test_no_beginning_of_an_option_of_the_contract_gets_through(name: str, data: st.DataObject) -> None:
    beginning = name[: data.draw(st.integers(1, len(name)))]
    assume(beginning not in SETTABLE)

    with pytest.raises(UnsupportedPod):
        words_of(f"--{beginning}", "x")


def test_a_job_name_that_accounting_could_not_find_is_refused() -> None:
    with pytest.raises(UnsupportedPod, match="comma"):
        words_of("-J", "a,b")


@given(st.lists(st.text("-=abejpxHOs array,wrap\n", max_size=10) | st.sampled_from([f"-{k}" for k in SHORT])))
def test_what_is_accepted_reads_as_itself_and_sets_nothing_of_the_contract(words: list[str]) -> None:
    try:
        flags = parse(words, where="annotation")
    except UnsupportedPod:
        return

    assert parse([str(flag) for flag in flags], where="again") == flags
    assert not {flag.name for flag in flags} & set(REFUSED)


def test_a_later_layer_replaces_options_of_the_same_name() -> None:
    merged = merge([[Flag("time", "10"), Flag("partition", "a")], [Flag("time", "20")]])

    assert merged == [Flag("partition", "a"), Flag("time", "20")]


@pytest.mark.parametrize(
    ("lower", "upper"),
    [("mem", "mem-per-cpu"), ("mem-per-gpu", "mem"), ("gres", "gpus"), ("gpus-per-node", "gres")],
)
def test_options_that_answer_the_same_question_replace_one_another(lower: str, upper: str) -> None:
    assert merge([[Flag(lower, "1")], [Flag(upper, "2")]]) == [Flag(upper, "2")]


def test_options_of_one_group_in_one_layer_stay_together() -> None:
    assert merge([[Flag("gres", "tmp:1"), Flag("gpus", "2")]]) == [Flag("gres", "tmp:1"), Flag("gpus", "2")]


NAMES = st.sampled_from(["mem", "mem-per-cpu", "gres", "gpus", "time", "partition"])
LAYERS = st.lists(st.lists(st.builds(Flag, NAMES, st.sampled_from("123")), max_size=4), max_size=4)


@given(LAYERS)
def test_merging_leaves_one_of_each_name_with_the_last_value_and_merges_to_itself(layers: list[list[Flag]]) -> None:
    merged = merge(layers)

    assert len({flag.name for flag in merged}) == len(merged)
    assert merge([merged]) == merged
    everything = [flag for layer in layers for flag in layer]
    for flag in merged:
        assert flag == [other for other in everything if other.name == flag.name][-1]
    last = layers[-1] if layers else []
    assert {flag.name for flag in last} <= {flag.name for flag in merged}


@given(LAYERS)
def test_a_group_is_answered_by_its_last_layer_alone(layers: list[list[Flag]]) -> None:
    names = {flag.name for flag in merge(layers)}
    for group in EXCLUSIVE_GROUPS:
        speaking = [{f.name for f in layer} & group for layer in layers if {f.name for f in layer} & group]
        assert names & group == (speaking[-1] if speaking else set())


def test_a_value_is_found_by_any_of_its_names() -> None:
    flags = [Flag("hold"), Flag("gpus", "2")]

    assert value_of(flags, "gres", "gpus") == "2"
    assert value_of(flags, "hold") == ""
    assert value_of(flags, "mem") is None
