"""benchmarks/RESULTS.md from what was measured: ratios first, then absolute figures, then what each method does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ambivox.models.reporting.tables import markdown_table

#: The picture, relative to the page.
PICTURE = "results/ratios.svg"
_CAPTION = (
    "Processor time of the alternatives as a multiple of ours: medians, with the range over the rounds. A mark is the target; a "
    "bar is orange where it is missed."
)
_HEADER = """# Results

`make bench` writes this page (`make bench ROWS=votes` one row of it). Each row does the same work in several ways, in turns,
each in a process of its own, after a warm-up; results must be equal to the tolerance given. A ratio is an alternative's
figure divided by ours in the same round: above 1, ours takes less. Given are the median over the rounds and, in brackets, the
lowest and highest. On a machine that other jobs use, processor time says more than wall-clock time.
"""


def page(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """The page.

    Args:
        rows: what ``harness.measure`` returned, by the row's name.
    """
    return "\n".join(
        [
            _HEADER,
            f"![Ratios to ours]({PICTURE})",
            "",
            _CAPTION,
            "",
            *_ratios(rows),
            "",
            *_absolute(rows),
            "",
            *_methods(rows),
            "",
            *_machines(rows),
            "",
        ]
    )


def _ratios(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    cells = []
    for name, row in rows.items():
        for alternative, ratio in row["ratios"].items():
            target = row["targets"].get(alternative)
            verdict = ""
            if target is not None:
                share = ratio["processor"]["median"] / target
                verdict = "met" if share >= 1 else f"missed: {share:.0%} of it"
            aim = "" if target is None else f"at least {number(target)}"
            cells.append(
                (
                    name,
                    alternative,
                    _ratio(ratio["processor"]),
                    _ratio(ratio["seconds"]),
                    number(ratio["mib"]),
                    aim,
                    verdict,
                )
            )
    columns = ("row", "alternative", "processor time", "wall clock", "memory", "target", "")
    return ["## Ratios to ours", "", markdown_table(columns, cells)]


def _absolute(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    cells = []
    for name, row in rows.items():
        for method, figures in row["methods"].items():
            scaled = "" if figures["share"] == 1 else f", scaled up from {figures['share']:.3%} of the work"
            cells.append(
                (
                    name,
                    f"{method}{scaled}",
                    f"{figures['seconds']:.3g} ± {figures['seconds_mad']:.2g}",
                    f"{figures['processor']:.3g}",
                    f"{row['items'] / figures['processor']:,.0f}",
                    f"{figures['mib']:,.0f}",
                )
            )
    columns = (
        "row",
        "method",
        "seconds (median, spread)",
        "processor seconds",
        "items per processor second",
        "peak MiB",
    )
    return ["## Absolute figures", "", markdown_table(columns, cells)]


def _methods(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = ["## What is compared", ""]
    for name, row in rows.items():
        scale = "" if row["scale"] == 1 else f", {row['scale']:g} times"
        limit = (
            "" if row["most_mib"] is None else f" Our memory should stay below {row['most_mib']:,.0f} MiB."
        )
        lines += [
            f"**{name}**: {row['title']}{scale}. {row['rounds']} rounds. Results differ by at most "
            f"{row['difference']:.1g} (allowed: {row['tolerance']:g}).{limit}",
            "",
            *(f"- *{method}*: {figures['says']}" for method, figures in row["methods"].items()),
            "",
        ]
    return lines[:-1]


def _machines(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    cells = []
    for name, row in rows.items():
        machine = row["machine"]
        cells.append(
            (
                name,
                machine["date"],
                f"{machine.get('cpu_count', '?')} cores of {machine.get('cpu_model_name', '?')}",
                str(machine.get("load_avg_1min", "?")),
                machine["python"],
                ", ".join(f"{package} {version}" for package, version in machine["versions"].items()),
            )
        )
    columns = ("row", "date", "machine", "load at the end", "Python", "packages")
    return ["## Machine and versions", "", markdown_table(columns, cells)]


def _ratio(spread: Mapping[str, float]) -> str:
    return f"{number(spread['median'])} [{number(spread['low'])}, {number(spread['high'])}]"


def number(value: float) -> str:
    """Three digits, or whole numbers from 100 on."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
