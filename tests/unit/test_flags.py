"""sbatch options: one meaning whatever the spelling, and none that breaks the contract."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.domain.flags import (
    EXCLUSIVE_GROUPS,
    OPTIONAL_VALUE,
    REFUSED,
    SHORT,
    WITHOUT_VALUE,
    Flag,
    merge,
    parse,
    value_of,
)
from sidecar.errors import UnsupportedPod

VALUES = st.text("abcXYZ0189:,.[]%/_=", min_size=1, max_size=12).filter(lambda v: not v.startswith("="))
LETTERS = {letter: name for letter, name in SHORT.items() if name not in REFUSED}
WITH_VALUE = sorted(set(LETTERS) - {k for k, name in LETTERS.items() if name in WITHOUT_VALUE | OPTIONAL_VALUE})


def words_of(*words: str) -> list[str]:
    return [str(flag) for flag in parse(words, where="annotation")]


@pytest.mark.parametrize("words", [["-p", "short"], ["-pshort"], ["--partition", "short"], ["--partition=short"]])
def test_all_spellings_are_one_option(words: list[str]) -> None:
    assert words_of(*words) == ["--partition=short"]


@given(st.sampled_from(WITH_VALUE), VALUES)
def test_all_spellings_of_any_option_are_one_option(letter: str, value: str) -> None:
    if letter == "J":
        value = value.replace(",", "")
    if not value:
        return
    name = LETTERS[letter]
    glued = words_of(f"-{letter}{value}")

    assert glued == words_of(f"--{name}={value}") == words_of(f"-{letter}", value) == words_of(f"--{name}", value)


def test_letters_without_values_can_stand_together() -> None:
    assert words_of("-Hp", "short", "-Os") == ["--hold", "--partition=short", "--overcommit", "--oversubscribe"]


def test_an_optional_value_is_never_the_next_word() -> None:
    assert words_of("--exclusive", "--nice=5", "-k", "--exclusive=user") == [
        "--exclusive", "--nice=5", "--no-kill", "--exclusive=user",
    ]  # fmt: skip


def test_an_option_that_is_not_known_here_goes_to_sbatch_as_it_is() -> None:
    assert words_of("--mcs-label=x", "--x11", "--future-thing", "value") == [
        "--mcs-label=x", "--x11", "--future-thing=value",
    ]  # fmt: skip


@pytest.mark.parametrize("word", ["short", "-", "--", "-Z", "---partition=x", "--=x", "--a b=c", "--Time=1", ""])
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


@pytest.mark.parametrize("words", [["-p"], ["--partition"], ["-p", "--hold"]])
def test_a_missing_value_is_told(words: list[str]) -> None:
    with pytest.raises(UnsupportedPod, match="--partition needs a value"):
        words_of(*words)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_an_option_of_the_contract_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(UnsupportedPod, match=f"^annotation: --{name} cannot be set by a pod, because "):
        words_of(f"--{name}=x")


@pytest.mark.parametrize(("word", "full"), [("--arr=0-9", "array"), ("--wra=id", "wrap"), ("--job-na=a,b", "job-name")])
def test_the_beginning_of_such_an_option_is_refused_because_sbatch_would_complete_it(word: str, full: str) -> None:
    with pytest.raises(UnsupportedPod, match=f"would be taken for --{full}; write names in full"):
        words_of(word)


@given(st.sampled_from(sorted(REFUSED)), st.data())
def test_no_beginning_of_an_option_of_the_contract_gets_through(name: str, data: st.DataObject) -> None:
    beginning = name[: data.draw(st.integers(1, len(name)))]

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
