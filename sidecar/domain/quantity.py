"""Kubernetes quantities: ``500m``, ``1.5Gi``, ``2e3``.

Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

_FORM = re.compile(r"(?P<number>[+-]?(\d+(\.\d*)?|\.\d+))(?P<unit>[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d{1,2})?")
_UNITS = {"": Decimal(1), "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3")} | {
    unit: Decimal(1000) ** power for power, unit in enumerate(("k", "M", "G", "T", "P", "E"), start=1)
} | {f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)}  # fmt: skip


_LARGEST = 2**63 - 1


def parse(text: str) -> Decimal:
    """The number a quantity stands for.

    :raises ValueError: the text is no quantity, is negative, or larger than Kubernetes' largest, 2^63-1
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a quantity such as 500m, 2 or 1.5Gi")
    unit = match["unit"] or ""
    factor = _UNITS[unit] if unit in _UNITS else Decimal(10) ** int(unit[1:])
    value = Decimal(match["number"]) * factor
    if value < 0:
        raise ValueError(f"{text!r} is negative")
    if value > _LARGEST:
        raise ValueError(f"{text[:40]!r} is larger than the largest quantity, {_LARGEST}")
    return value


def ceil(value: Decimal) -> int:
    """Rounded up to a whole number, as Kubernetes rounds."""
    return int(value.to_integral_value(rounding=ROUND_CEILING))
