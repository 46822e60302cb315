"""Kubernetes quantities."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.domain import quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2", "2"), ("500m", "0.5"), ("0.1", "0.1"), ("1.5Gi", "1610612736"), ("1Ki", "1024"), ("1k", "1000"),
        ("2e3", "2000"), ("1E2", "100"), ("1E", "1000000000000000000"), ("100n", "1e-7"), (".5", "0.5"), ("5.", "5"),
        ("+3", "3"), (" 4Mi ", "4194304"), ("0", "0"), ("9223372036854775807", "9223372036854775807"),
    ],
)  # fmt: skip
def test_a_quantity_is_read(text: str, number: str) -> None:
    assert quantity.parse(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "G", "1 G", "1gi", "1KiB", "1,5", "0x10", "1e1000", "nan", "inf", "--1", "½"])
def test_what_is_none_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        quantity.parse(text)


@pytest.mark.parametrize("text", ["-1", "-0.5Gi"])
def test_a_negative_one_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is negative"):
        quantity.parse(text)


@pytest.mark.parametrize("text", ["1e99", "9223372036854775808", "10E", "9" * 5000])
def test_one_that_kubernetes_could_not_hold_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="larger than the largest quantity"):
        quantity.parse(text)


@pytest.mark.parametrize(("text", "number"), [("1500m", 2), ("1m", 1), ("2", 2), ("0", 0), ("1.0000001Ki", 1025)])
def test_rounding_goes_up(text: str, number: int) -> None:
    assert quantity.ceil(quantity.parse(text)) == number


@given(st.integers(0, 10**6), st.sampled_from(["k", "M", "G", "Ki", "Mi", "Gi"]))
def test_a_unit_multiplies(number: int, unit: str) -> None:
    base = 1024 if unit.endswith("i") else 1000

    assert quantity.parse(f"{number}{unit}") == number * base ** ("kMG".index(unit[0].replace("K", "k")) + 1)


UNITS = {
    "n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18,
    **{f"{letter}{power}": power for letter in "eE" for power in range(-9, 19)},
}  # fmt: skip
NUMBERS = st.decimals(0, 9, places=3)


@given(NUMBERS, st.sampled_from(sorted(UNITS)), st.sampled_from(["", "+"]))
def test_every_decimal_form_is_the_number_times_a_power_of_ten(number: Decimal, unit: str, sign: str) -> None:
    assert quantity.parse(f"{sign}{number}{unit}") == number.scaleb(UNITS[unit])


@given(NUMBERS, st.integers(1, 6))
def test_every_binary_form_is_the_number_times_a_power_of_1024(number: Decimal, power: int) -> None:
    unit = "KMGTPE"[power - 1] + "i"
    if number * 1024**power > 2**63 - 1:
        return

    assert quantity.parse(f"{number}{unit}") == number * 1024**power


@given(st.text("0123456789.eE+-kKMGi", max_size=12))
def test_any_text_is_a_quantity_or_a_value_error(text: str) -> None:
    try:
        assert quantity.parse(text) >= 0
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either is right
