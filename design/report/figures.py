"""The figures of a study's report, as SVG text whose colours are CSS variables of the page.

Every function takes the mappings that ``result.json`` and ``polars.json`` hold (their layout is
written down in ``formwright.design.airfoils.study``) and returns one ``<svg>`` element.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from formwright.design.report.svg import BEST, SOFT, START, WIDTH, drawing, literal

SIDES: Final = (("start", START), ("best", BEST))
CL, CD, CM = "lift coefficient $C_L$", "drag coefficient $C_D$", "moment coefficient $C_M$"


def shapes(polars: Mapping[str, Any]) -> str:
    """Draw both sections with equal axes, and below them with the thickness stretched."""
    contours = {side: np.array(polars["sections"][side]["pos"]) for side, _ in SIDES}
    low = min(pos[:, 1].min() for pos in contours.values())
    high = max(pos[:, 1].max() for pos in contours.values())
    margin = 0.12 * (high - low)
    left, right, below, between = 0.7, 0.08, 0.5, 0.62
    width = WIDTH - left - right
    heights = width * (high - low + 2 * margin) / 1.04, 2.6
    with drawing("shapes", sum(heights) + below + between + 0.3, layout=None) as (figure, drawn):
        bottoms = below + heights[1] + between, below
        for bottom, height in zip(bottoms, heights, strict=True):
            total = figure.get_figheight()
            axis = figure.add_axes((left / WIDTH, bottom / total, width / WIDTH, height / total))
            for side, colour in SIDES:
                pos = contours[side]
                axis.fill(pos[:, 0], pos[:, 1], color=colour, alpha=0.07, lw=0)
                dashes = (0, (4, 2)) if side == "start" else "solid"
                axis.plot(
                    *pos.T, color=colour, ls=dashes, label=literal(polars["sections"][side]["name"])
                )
            axis.set(xlim=(-0.02, 1.02), ylim=(low - margin, high + margin), ylabel="$y / c$")
        true, stretched = figure.axes
        true.set_title("true proportions")
        stretched.set_title(f"thickness stretched {heights[1] / heights[0]:.1f} times")
        stretched.set_xlabel("$x / c$")
        true.legend(
            loc="lower right", bbox_to_anchor=(1, 1), ncols=2, handlelength=2.6, borderaxespad=0.2
        )
    return drawn[0]


def drag_by_point(result: Mapping[str, Any]) -> str:
    """Draw the drag of every operating point: claims with their intervals, and verdicts."""
    points = result["points"]
    where = np.arange(len(points))
    counts = 1e4
    with drawing("drag", 2.9) as (figure, drawn):
        axis = figure.subplots()
        for side, colour, offset in (("start", START, -0.11), ("best", BEST, 0.11)):
            claims = [point[side]["claimed"]["labels"]["cd"] for point in points]
            mean = _numbers(claim["mean"] for claim in claims) * counts
            ends = [[claim[end] for claim in claims] for end in ("lower", "upper")]
            reach = np.abs(np.array(ends, dtype=float) * counts - mean)
            name = "start" if side == "start" else "design"
            axis.errorbar(
                where + offset,
                mean,
                yerr=reach,
                fmt="_",
                ms=11,
                mew=2,
                lw=1.1,
                capsize=0,
                color=colour,
                label=f"{name}, claimed",
            )
            found = _numbers(_verdict(point[side], "cd") for point in points) * counts
            axis.plot(
                where + offset, found, "o", ms=5.5, mew=0, color=colour, label=f"{name}, verified"
            )
        _limit_start(axis, points, where - 0.11)
        axis.set_xticks(where, [point_title(point) for point in points])
        axis.grid(False, axis="x")
        axis.set_ylabel("$C_D$, counts ($10^{-4}$)")
        axis.legend(ncols=4, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2)
    return drawn[0]


def polar_row(result: Mapping[str, Any], polars: Mapping[str, Any], index: int) -> str:
    """Draw lift, drag polar and moment of both sections at operating point ``index``."""
    panels = (("alpha_deg", "cl"), ("cd", "cl"), ("alpha_deg", "cm"))
    titles = {"alpha_deg": "incidence α, deg", "cl": CL, "cd": CD, "cm": CM}
    with drawing(f"polar{index}", 3.2) as (figure, drawn):
        for axis, (across, up) in zip(figure.subplots(1, 3), panels, strict=True):
            for side, colour in SIDES:
                _polar(axis, polars[side][index], across, up, colour)
            axis.set(xlabel=titles[across], ylabel=titles[up])
            if across == "cd":
                _limit_drag(axis, [polars[side][index] for side, _ in SIDES])
            target = result["points"][index]["target_cl"]
            if target is not None and up == "cl":
                axis.axhline(target, color=SOFT, lw=0.8, ls=(0, (1, 2)))
    return drawn[0]


def drag_polars(result: Mapping[str, Any], polars: Mapping[str, Any]) -> str:
    """Draw the drag polar at every operating point, small and on the same axes."""
    count = len(result["points"])
    rows, columns = _grid(count)
    with drawing("drag-polars", 2.4 * rows + 0.3) as (figure, drawn):
        axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        every = [polar for side, _ in SIDES for polar in polars[side]]
        for i, axis in enumerate(axes.flat):
            if i >= count:
                axis.set_visible(False)
                continue
            for side, colour in SIDES:
                _polar(axis, polars[side][i], "cd", "cl", colour, small=True)
            point = result["points"][i]
            if point["target_cl"] is not None:
                axis.axhline(point["target_cl"], color=SOFT, lw=0.8, ls=(0, (1, 2)))
            axis.set_title(point_title(point, reynolds=True))
            _limit_drag(axis, every)
            if i % columns == 0:
                axis.set_ylabel("$C_L$")
            if i + columns >= count:
                axis.set_xlabel("$C_D$")
                axis.tick_params(labelbottom=True)
    return drawn[0]


def pressures(result: Mapping[str, Any], polars: Mapping[str, Any]) -> str:
    """Draw the pressure coefficient along the chord at every operating point, suction upwards."""
    count = len(result["points"])
    rows, columns = _grid(count)
    x = polars["stations"]
    with drawing("pressures", 2.5 * rows + 0.3) as (figure, drawn):
        axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for i, axis in enumerate(axes.flat):
            if i >= count:
                axis.set_visible(False)
                continue
            for side, colour in SIDES:
                _pressure(axis, x, polars[side][i]["cp"], colour)
            alpha = result["points"][i]["best"]["claimed"]["alpha_deg"]
            axis.set_title(f"{point_title(result['points'][i])},  α {_minus(alpha, 2)}°")
            axis.set_xlim(0, 1)
            if i % columns == 0:
                axis.set_ylabel("$C_p$")
            if i + columns >= count:
                axis.set_xlabel("$x / c$")
                axis.tick_params(labelbottom=True)
        axes[0, 0].invert_yaxis()
    return drawn[0]


def convergence(result: Mapping[str, Any]) -> str:
    """Draw objective and largest constraint violation by iteration, one line a start."""
    history, known = result["optimisation"]["history"], result["objective"]["shown_as"]
    with drawing("convergence", 2.7) as (figure, drawn):
        left, right = figure.subplots(1, 2)
        first = 0
        for round_ in sorted({entry["round"] for entry in history}):
            of_round = [entry for entry in history if entry["round"] == round_]
            longest = 0
            runs = [
                [e for e in of_round if (e["surrogate"], e["start"]) == one]
                for one in sorted({(e["surrogate"], e["start"]) for e in of_round})
            ]
            runs.sort(key=lambda run: _quality(run, known["factor"]), reverse=True)
            for run in runs:
                chosen = run is runs[-1]
                at = first + np.arange(len(run))
                look = {"color": BEST if chosen else START, "lw": 1.6 if chosen else 0.8}
                left.plot(at, _numbers(e["objective"] for e in run), **look)
                violation = _numbers(e["violation"] for e in run)
                right.plot(at, np.maximum(violation, 1e-8), **look)
                longest = max(longest, len(run))
            if first:
                for axis in (left, right):
                    axis.axvline(first - 0.5, color=SOFT, lw=0.8, ls=(0, (1, 2)))
            first += longest
        _limit_objective(left, history, known["factor"])
        right.set_yscale("log")
        right.set_ylim(bottom=5e-9)
        right.yaxis.set_major_formatter("{x:.0e}")
        right.yaxis.minorticks_off()
        left.set(xlabel="iteration", ylabel=f"objective ({known['name']})")
        right.set(xlabel="iteration", ylabel="largest violation (floor 1e-08)")
    return drawn[0]


def point_title(point: Mapping[str, Any], *, reynolds: bool = False) -> str:
    """Return an operating point in a few words, for a title."""
    target = point["target_cl"]
    if target is None:
        name = f"α {_minus(point['best']['claimed']['alpha_deg'], 1)}°"
    else:
        name = f"$C_L$ {target:.2f}"
    return f"{name},  Re {point['reynolds']:,.0f}".replace(",", "\u202f") if reynolds else name


def _polar(
    axis: Any, polar: Mapping[str, Any], across: str, up: str, colour: str, *, small: bool = False
) -> None:
    """Draw one section's claim as a line with its interval, its verdict as dots."""
    claimed, verified = polar["claimed"], polar["verified"]
    x, y = _numbers(claimed[across]), _numbers(claimed[up])
    if across == "alpha_deg":
        lower, upper = _numbers(claimed[f"{up}_lower"]), _numbers(claimed[f"{up}_upper"])
        axis.fill_between(x, lower, upper, color=colour, alpha=0.15, lw=0)
    else:
        lower, upper = _numbers(claimed[f"{across}_lower"]), _numbers(claimed[f"{across}_upper"])
        axis.fill_betweenx(y, lower, upper, color=colour, alpha=0.15, lw=0)
    axis.plot(x, y, color=colour, lw=1.2 if small else 1.6)
    used = np.array(verified["used"], dtype=bool)
    dots = _numbers(verified[across]), _numbers(verified[up])
    size = 2.2 if small else 3.2
    axis.plot(dots[0][used], dots[1][used], "o", ms=size, mew=0, color=colour)
    axis.plot(dots[0][~used], dots[1][~used], "x", ms=size + 0.8, mew=0.9, color=colour, alpha=0.7)


def _pressure(axis: Any, x: Sequence[float], cp: Mapping[str, Any], colour: str) -> None:
    """Draw one section's pressures: claims as lines, verdicts as dots, hollow below."""
    for side in ("top", "bottom"):
        if cp["claimed"]:
            axis.plot(x, _numbers(cp["claimed"][side]), color=colour, lw=1.2)
        if cp["verified"]:
            fill = colour if side == "top" else "none"
            found = _numbers(cp["verified"][side])
            axis.plot(x, found, "o", ms=2.4, mew=0.7, mec=colour, mfc=fill)


def _limit_drag(axis: Any, polars: Sequence[Mapping[str, Any]]) -> None:
    """Show the useful part of drag polars: up to four times the least drag claimed."""
    claims = np.concatenate([_numbers(polar["claimed"]["cd"]) for polar in polars])
    verdicts = [
        _numbers(polar["verified"]["cd"])[np.array(polar["verified"]["used"], dtype=bool)]
        for polar in polars
    ]
    most = np.nanmax(np.concatenate([claims, *verdicts]))
    axis.set_xlim(0, min(4.0 * np.nanmin(claims), 1.05 * most))


def _limit_start(axis: Any, points: Sequence[Mapping[str, Any]], where: np.ndarray) -> None:
    """Scale the drag to the design's; triangles stand for a start that lies far above."""
    claims = _numbers(point["best"]["claimed"]["labels"]["cd"]["upper"] for point in points)
    verdicts = _numbers(_verdict(point["best"], "cd") for point in points)
    top = 2.2e4 * np.nanmax(np.concatenate([claims, verdicts]))
    drag = 1e4 * _numbers(point["start"]["claimed"]["labels"]["cd"]["mean"] for point in points)
    above = drag > top
    axis.plot(where[above], np.full(above.sum(), 0.97 * top), "^", ms=6, mew=0, color=START)
    axis.set_ylim(0, top if above.any() else None)


def _limit_objective(axis: Any, history: Sequence[Mapping[str, Any]], factor: float) -> None:
    """Show the objective without the wild iterations, where they would flatten the rest."""
    values = factor * _numbers(entry["objective"] for entry in history)
    values = values[np.isfinite(values)]
    if not len(values):
        return
    low, high = values.min(), np.quantile(values, 0.9)
    if values.max() - low > 3.0 * (high - low):
        margin = 0.06 * (high - low) or 1e-3 * abs(low) or 1e-9
        axis.set_ylim(*sorted((factor * (low - margin), factor * (high + margin))))


def _quality(run: Sequence[Mapping[str, Any]], factor: float) -> tuple[float, float]:
    """Return how good a run ended: feasible first, then by what was made small."""
    violation, objective = run[-1]["violation"], run[-1]["objective"]
    big = math.inf
    return (
        max((big if violation is None else violation) - 1e-5, 0.0),
        big if objective is None else factor * objective,
    )


def _grid(count: int) -> tuple[int, int]:
    """Return rows and columns for ``count`` panels."""
    columns = 2 if count in (2, 4) else min(3, count)
    return -(-count // columns), columns


def _verdict(side: Mapping[str, Any], label: str) -> float | None:
    """Return a verified label of one side of a point, None where the solver gave none."""
    return side["verified"]["labels"].get(label) if side["verified"]["labels"] else None


def _numbers(values: Any) -> np.ndarray:
    """Return floats; NaN where JSON holds null."""
    return np.array([math.nan if value is None else value for value in values], dtype=float)


def _minus(value: float, digits: int) -> str:
    """Return a number with the true minus sign."""
    return f"{value:.{digits}f}".replace("-", "\u2212")
