"""Run the measurements, print a table, write a file.

This is for people who look at the figures: it takes minutes, needs a Slurm with accounting, and wants the machine for
itself. ``scripts/bench`` sees to all that.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import calls, cluster, creates, endings, idle, jobs, logs, quiet, start, status
from tests.bench.measure import Figure

MEASUREMENTS: dict[str, Callable[[Path, Path], Iterator[Figure]]] = {
    module.BUDGET: module.measure for module in (creates, status, calls, endings, jobs, start, logs, quiet, idle)
}


def main() -> None:
    """Measure what the command line names."""
    options = _parser().parse_args()
    console = Console()
    figures = []
    for name in options.names or MEASUREMENTS:
        console.print(f"measuring {name} ...", highlight=False)
        figures += _measured(name, options.image)
    console.print(_table(figures))
    if options.json:
        options.json.write_text(json.dumps(_document(figures), indent=2) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *MEASUREMENTS], help="which ones; all by default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    image = os.environ.get("SIDECAR_TEST_IMAGE")
    parser.add_argument(
        "--image", type=Path, default=image, required=not image, help="image with busybox (SIDECAR_TEST_IMAGE)"
    )
    return parser


def _measured(name: str, image: Path) -> list[Figure]:
    """In a folder of its own, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="slurm-sidecar-bench-") as folder:
        return list(MEASUREMENTS[name](Path(folder), image))


def _document(figures: Iterable[Figure]) -> dict[str, object]:
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "slurm": cluster.version(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg(),
        "figures": [asdict(figure) | {"is_reached": figure.is_reached} for figure in figures],
    }


def _table(figures: Iterable[Figure]) -> Table:
    table = Table("budget", "what", "value", "limit", "reached")
    for figure in figures:
        sign = ">=" if figure.is_floor else "<="
        limit = "" if figure.limit is None else f"{sign} {figure.limit:g}"
        reached = {None: "", True: "yes", False: "no"}[figure.is_reached]
        table.add_row(figure.budget, figure.what, f"{figure.value:.4g} {figure.unit}", limit, reached)
    return table


if __name__ == "__main__":
    main()
