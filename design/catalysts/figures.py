"""The figures of the report of a study of catalysts, as SVG text.

Every function takes what ``result.json`` holds (``formwright.design.catalysts.study`` has its
layout).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from formwright.design.report.svg import BEST, INK, SOFT, START, WIDTH, drawing, literal
from formwright.design.screening.element_map import element_map

MARKS: Final = (START, BEST)
_LETTERS: Final = 10
"""Alloys named in a scatter at most."""


def claims(result: Mapping[str, Any]) -> str:
    """Draw claims with their intervals against verdicts, and the band that was aimed at."""
    targets = result["targets"]
    with drawing("claims", 4.3) as (figure, drawn):
        axes = figure.subplots(1, len(targets), squeeze=False)[0]
        for axis, target in zip(axes, targets, strict=True):
            name, middle, half = target["adsorbate"], target["energy_ev"], target["tolerance_ev"]
            rows = [r for r in result["proposals"] if r["verdicts"][name]["energy_ev"] is not None]
            for fill in (axis.axvspan, axis.axhspan):
                fill(middle - half, middle + half, color=BEST, alpha=0.08, lw=0)
            for index in sorted({row["round"] for row in rows}):
                _dots(axis, [row for row in rows if row["round"] == index], name, index, result)
            _square(axis, rows, target)
            _misses(axis, [row for row in rows if row["hit"] is False], name, middle)
            axis.set_xlabel(rf"$E_\mathrm{{{name}}}$ verified, eV")
            axis.set_ylabel(rf"$E_\mathrm{{{name}}}$ claimed, eV")
        axes[0].legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, borderaxespad=0.2)
    return drawn[0]


def _dots(
    axis: Any, rows: Sequence[Mapping[str, Any]], name: str, index: int, result: Mapping[str, Any]
) -> None:
    """Draw the alloys of a round: hits filled, misses hollow."""
    last = len(result["rounds"])
    colour = MARKS[1] if index == last else MARKS[0]
    for good in (True, False):
        some = [row for row in rows if bool(row["hit"]) is good]
        if not some:
            continue
        x = np.array([row["verdicts"][name]["energy_ev"] for row in some])
        y = np.array([row["claims"][name]["energy_ev"] for row in some])
        ends = [[row["claims"][name][k] for row in some] for k in ("lower_ev", "upper_ev")]
        reach = np.abs(np.array(ends) - y)
        label = f"{'hit' if good else 'miss'}, round {index}" if last > 1 else None
        label = label or ("hit" if good else "miss")
        style = {"mfc": colour if good else "none", "mec": colour, "ecolor": colour, "ms": 5.5}
        axis.errorbar(x, y, yerr=reach, fmt="o", mew=1.2, elinewidth=0.7, label=label, **style)


def _misses(axis: Any, rows: Sequence[Mapping[str, Any]], name: str, middle: float) -> None:
    """Name the worst misses."""
    worst = sorted(rows, key=lambda row: -abs(row["verdicts"][name]["energy_ev"] - middle))
    for row in worst[:_LETTERS]:
        at = row["verdicts"][name]["energy_ev"], row["claims"][name]["energy_ev"]
        axis.annotate(
            literal(row["name"]), at, xytext=(5, 4), textcoords="offset points", color=SOFT, size=7
        )


def _square(axis: Any, rows: Sequence[Mapping[str, Any]], target: Mapping[str, Any]) -> None:
    """Draw the diagonal, and choose the axes by the dots, not by the intervals."""
    middle, half = target["energy_ev"], target["tolerance_ev"]
    name = target["adsorbate"]
    x = [row["verdicts"][name]["energy_ev"] for row in rows]
    y = [row["claims"][name]["energy_ev"] for row in rows]
    low = min([middle - 2.5 * half, *x]) - 0.04
    high = max([middle + 2.5 * half, *x]) + 0.04
    bottom, top = min([middle - 4.0 * half, *y]) - 0.1, max([middle + 4.0 * half, *y]) + 0.1
    ends = [min(low, bottom), max(high, top)]
    axis.plot(ends, ends, color=SOFT, lw=0.8, ls=(0, (1, 2)), zorder=1)
    axis.set(xlim=(low, high), ylim=(bottom, top))


def rounds(result: Mapping[str, Any]) -> str:
    """Draw the share of hits and the error of the claims, round by round."""
    found = result["rounds"]
    where = np.arange(len(found))
    names = [f"round {entry['round']}" for entry in found]
    with drawing("rounds", 2.6) as (figure, drawn):
        left, right = figure.subplots(1, 2)
        colours = [MARKS[1] if i == len(found) - 1 else MARKS[0] for i in where]
        share = [100.0 * (entry["share"] or 0.0) for entry in found]
        error = [entry["mae_ev"] or 0.0 for entry in found]
        for axis, values, text in ((left, share, "{:.0f} %"), (right, error, "{:.3f}")):
            axis.bar(where, values, width=0.5, color=colours, zorder=2)
            for x, value in zip(where, values, strict=True):
                axis.annotate(
                    text.format(value),
                    (x, value),
                    xytext=(0, 3),
                    textcoords="offset points",
                    ha="center",
                    color=INK,
                )
            axis.set_xticks(where, names)
            axis.set_xlim(-0.6, len(found) - (0.4 if axis is right else -0.2))
            axis.grid(False, axis="x")
            axis.margins(y=0.15)
        chance = result["chance"]["share"]
        if chance is not None:
            left.axhline(100.0 * chance, color=SOFT, lw=1.0, ls=(0, (4, 2)), zorder=3)
            label = f"chance {100 * chance:.1f} %"
            left.annotate(
                label,
                (len(found) + 0.18, 100.0 * chance),
                xytext=(0, 3),
                textcoords="offset points",
                ha="right",
                color=SOFT,
            )
        left.set_ylabel("hits, % of the verified")
        right.set_ylabel("|claimed $-$ verified|, eV, mean")
    return drawn[0]


def search(result: Mapping[str, Any]) -> str:
    """Draw how probable a hit the best mixture is, step by step, a panel for each prototype."""
    found = result["rounds"]
    names = list(found[0]["trace"])
    stages = len(result["study"]["design"]["sharpness"])
    with drawing("search", 2.6) as (figure, drawn):
        axes = figure.subplots(1, len(names), squeeze=False)[0]
        for axis, name in zip(axes, names, strict=True):
            for entry in found:
                last = entry["round"] == len(found)
                trace = entry["trace"][name]
                look = {"color": MARKS[1] if last else MARKS[0], "lw": 1.6 if last else 1.0}
                axis.plot(np.arange(len(trace)), trace, label=f"round {entry['round']}", **look)
                for k in range(1, stages):
                    at = k * len(trace) / stages
                    axis.axvline(at - 0.5, color=SOFT, lw=0.8, ls=(0, (1, 2)))
            axis.set_title(name)
            axis.set_xlabel("step")
            axis.set_ylim(0, min(1.02, 1.15 * max(v for e in found for v in e["trace"][name])))
        axes[0].set_ylabel("probability of a hit, best mixture")
        if len(found) > 1:
            axes[0].legend(loc="lower right")
    return drawn[0]


def elements(result: Mapping[str, Any]) -> str:
    """Draw how many proposed alloys have each element, and how many of them are hits."""
    counts = result["elements"]
    values = {symbol: float(entry["proposed"]) for symbol, entry in counts.items()}
    texts = {
        symbol: f"{entry['hits']}/{entry['proposed']}"
        for symbol, entry in counts.items()
        if entry["proposed"]
    }
    top = max([*values.values(), 1e-9])
    return element_map("elements", {s: 0.9 * value / top for s, value in values.items()}, texts)


__all__ = ["WIDTH", "claims", "elements", "rounds", "search"]
