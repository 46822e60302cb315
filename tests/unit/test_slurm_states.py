"""Words of squeue and sacct become states, and an unknown word is an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.domain.slurm_state import SlurmState
from sidecar.slurm.states import parse_state


@pytest.mark.parametrize("state", SlurmState)
def test_every_state_is_read_from_its_own_word(state: SlurmState) -> None:
    assert parse_state(state.value) is state


@pytest.mark.parametrize("state", set(SlurmState) - {SlurmState.UNKNOWN})
def test_a_state_of_slurm_s_is_exactly_one_of_waiting_active_and_terminal(state: SlurmState) -> None:
    assert [state.is_waiting, state.is_active, state.is_terminal].count(True) == 1


@pytest.mark.parametrize(
    ("state", "waiting", "active", "terminal"),
    [
        (SlurmState.CONFIGURING, True, False, False),
        (SlurmState.SPECIAL_EXIT, True, False, False),
        (SlurmState.COMPLETING, False, True, False),
        (SlurmState.SUSPENDED, False, True, False),
        (SlurmState.NODE_FAIL, False, False, True),
        (SlurmState.COMPLETED, False, False, True),
    ],
)
def test_states_that_look_alike_are_told_apart(
    state: SlurmState, *, waiting: bool, active: bool, terminal: bool
) -> None:
    assert (state.is_waiting, state.is_active, state.is_terminal) == (waiting, active, terminal)


@pytest.mark.parametrize("text", ["CANCELLED by 1001", "CANCELLED+", "CANCELLED"])
def test_who_cancelled_a_job_does_not_hide_that_it_was_cancelled(text: str) -> None:
    assert parse_state(text) is SlurmState.CANCELLED


@pytest.mark.parametrize("text", ["", "F", "CF", "completed", "NEWSTATE", " RUNNING", "RUNNING2"])
def test_any_other_word_is_a_state_that_decides_nothing(text: str) -> None:
    state = parse_state(text)

    assert state is SlurmState.UNKNOWN
    assert [state.is_waiting, state.is_active, state.is_terminal] == [False, False, False]


@given(st.text())
def test_no_text_makes_the_parser_fail(text: str) -> None:
    assert parse_state(text) in SlurmState
