"""How many answers in a row count, and when the next question is due."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.runner.probes.thresholds import Thresholds, next_tick

ANSWERS = st.lists(st.booleans(), max_size=60)
NEEDED = st.integers(min_value=1, max_value=5)


def changes(answers: str, *, successes: int = 1, failures: int = 1) -> str:
    """For each answer (``+`` or ``-``), the new state, or ``.`` if it has not changed."""
    thresholds = Thresholds(successes, failures)
    return "".join(answer if thresholds.count(answer == "+") else "." for answer in answers)


@pytest.mark.parametrize(
    ("answers", "successes", "failures", "expected"),
    [
        ("++--++", 1, 1, "+.-.+."),
        ("--+---", 1, 3, "..+..-"),
        ("+-++--", 2, 1, ".-.+-."),
        ("-+-+-+", 2, 2, "......"),
        ("+--+--", 1, 2, "+.-+.-"),
    ],
)
def test_only_answers_in_a_row_change_the_state(answers: str, successes: int, failures: int, expected: str) -> None:
    assert changes(answers, successes=successes, failures=failures) == expected


@given(ANSWERS, NEEDED, NEEDED)
def test_the_state_is_that_of_the_last_row_that_was_long_enough(
    answers: list[bool], successes: int, failures: int
) -> None:
    thresholds = Thresholds(successes, failures)
    for answer in answers:
        thresholds.count(answer)

    rows = {True: [successes, True], False: [failures, False]}
    long_enough = [
        state
        for end in range(len(answers) + 1)
        for needed, state in rows.values()
        if end >= needed and answers[end - needed : end] == [bool(state)] * needed
    ]
    assert thresholds.state == (bool(long_enough[-1]) if long_enough else None)


@given(ANSWERS, NEEDED, NEEDED)
def test_a_change_is_told_exactly_when_the_state_changes(answers: list[bool], successes: int, failures: int) -> None:
    thresholds = Thresholds(successes, failures)
    for answer in answers:
        before = thresholds.state
        assert thresholds.count(answer) == (thresholds.state is not before)


@pytest.mark.parametrize(("now", "expected"), [(0, 10), (9, 10), (10, 10), (12, 10), (25, 20), (30, 30)])
def test_a_late_answer_is_followed_by_a_question_at_once_but_by_one_only(now: float, expected: float) -> None:
    assert next_tick(0, 10, now) == expected


@given(st.integers(1, 100), st.integers(0, 10_000))
def test_ticks_are_never_more_than_a_period_late_and_never_come_twice(period: int, now: int) -> None:
    tick = next_tick(0, period, now)

    assert tick % period == 0
    assert tick >= period
    assert tick > now - period
    assert tick <= max(now, period)
