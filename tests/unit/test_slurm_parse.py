"""Records, times, sizes and exit codes, as Slurm's programs print them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import UnreadableSlurmOutput
from sidecar.slurm.parse import (
    new_separator,
    parse_count,
    parse_cpu_time,
    parse_exit_code,
    parse_job_id,
    parse_size,
    parse_time,
    records,
)

PARSERS = [parse_job_id, parse_time, parse_size, parse_cpu_time, parse_exit_code, parse_count]
FREE_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(rows=st.lists(st.tuples(st.integers(1, 10**9).map(str), FREE_TEXT, FREE_TEXT)))
def test_fields_with_any_text_in_them_come_back_as_they_were(rows: list[tuple[str, str, str]]) -> None:
    separator = new_separator()
    text = "".join("".join(field + separator for field in row) + "\n" for row in rows)

    assert records(text, separator, 3) == rows


def test_each_call_has_a_separator_of_its_own() -> None:
    assert new_separator() != new_separator()


@pytest.mark.parametrize("parse", [parse_time, parse_size, parse_count])
def test_a_number_too_large_to_be_true_is_an_error(parse: Callable[[str], object]) -> None:
    with pytest.raises(UnreadableSlurmOutput):
        parse("9" * 5000)


def test_no_output_is_no_records() -> None:
    assert records("", "|", 3) == []
    assert records("\n", "|", 3) == []


@pytest.mark.parametrize("text", ["a|b|c|\nd|e|", "a|b|c", "a|b|c|\nslurm_load_jobs error", "word"])
def test_output_that_is_not_whole_records_is_an_error(text: str) -> None:
    with pytest.raises(UnreadableSlurmOutput, match="records of 3 fields"):
        records(text, "|", 3)


@pytest.mark.parametrize("text", ["123", "123_4", "123_[5-9,12%2]", "123+1"])
def test_every_form_of_a_job_id_is_taken(text: str) -> None:
    assert parse_job_id(text) == text


def test_a_time_is_a_moment_with_a_time_zone() -> None:
    assert parse_time("1795500832") == datetime(2026, 11, 24, 6, 13, 52, tzinfo=UTC)


@pytest.mark.parametrize("text", ["N/A", "NONE", "None", "Unknown", "0", ""])
def test_a_time_that_is_not_known_yet_is_none(text: str) -> None:
    assert parse_time(text) is None


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("500M", 500 * 1024**2),
        ("1.50G", 3 * 1024**3 // 2),
        ("3204K", 3204 * 1024),
        ("209756160", 209756160),
        ("0", 0),
        ("2T", 2 * 1024**4),
        ("", None),
    ],
)
def test_sizes_are_bytes(text: str, size: int | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:00.011", 0.011),
        ("00:00:00", 0),
        ("01:02:03", 3723),
        ("2-00:00:01", 172801),
        ("59:59.5", 3599.5),
        ("", None),
    ],
)
def test_cpu_times_are_seconds(text: str, seconds: float | None) -> None:
    assert parse_cpu_time(text) == (None if seconds is None else pytest.approx(seconds))


def test_an_exit_code_comes_with_its_signal() -> None:
    assert parse_exit_code("3:0") == (3, 0)
    assert parse_exit_code("0:9") == (0, 9)


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize("text", ["-1", "x", "\N{ARABIC-INDIC DIGIT THREE}", "1 2", "9" * 5000 + "!"])
def test_nonsense_is_an_error_that_quotes_it_in_part(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(UnreadableSlurmOutput) as caught:
        parse(text)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("parse", PARSERS)
@given(text=st.one_of(st.text(), st.from_regex("[0-9:.KMG-]{0,30}")))
def test_no_text_makes_a_parser_fail_in_another_way(parse: Callable[[str], object], text: str) -> None:
    with suppress(UnreadableSlurmOutput):
        parse(text)
