"""The report of a study: one HTML file that needs nothing else, read from the study's folder."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from formwright.datasets.errors import ConfigError
from formwright.datasets.files import read_record, write_text
from formwright.design.records import AIRFOIL_FORMAT
from formwright.design.report import figures

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATE: Final = "report.html.j2"
NAMES: Final = {
    "cl": "C_L",
    "cd": "C_D",
    "cm": "C_M",
    "xtr_top": "x_tr top",
    "xtr_bottom": "x_tr bottom",
}
DASH: Final = "\u2013"
NOTHING: Final = 1e-9
UNKNOWN: Final = "unknown"
ABSURD: Final = 1e12
"""No quantity of a report is so large: shown as unknown, like one that is not finite."""


def write_report(folder: str | os.PathLike[str]) -> Path:
    """Write ``report.html`` into a study's folder.

    Args:
        folder: Holds ``result.json`` and ``polars.json``
            (``formwright.design.airfoils.study`` has their layout).

    Returns:
        The path of the report.

    Raises:
        ConfigError: A file is absent, damaged, or of a version that is not known here.
        StorageError: The report could not be written.
    """
    path = Path(folder)
    write_text(path / "report.html", render(read(path, "result"), read(path, "polars")))
    return path / "report.html"


def read(folder: Path, name: str, expected: int = AIRFOIL_FORMAT) -> dict[str, Any]:
    """Read ``name.json`` of a study's folder and check its version."""
    path = folder / f"{name}.json"
    try:
        content = read_record(path, ConfigError, "Run the study again.")
    except OSError as error:
        raise ConfigError(
            f"cannot read {str(path)!r}: {error.strerror or error}. A report is made from the "
            "folder of a finished study; `formwright optimize STUDY.toml` writes one."
        ) from error
    version = content.get("format_version")
    if version != expected:
        raise ConfigError(
            f"{str(path)!r} has format_version {version!r}; this formwright reads "
            f"{expected}. Install the version that wrote it, or run the study again."
        )
    return content


def render(result: Mapping[str, Any], polars: Mapping[str, Any]) -> str:
    """Return the report as HTML."""
    result = as_known(result)
    return (
        environment()
        .get_template(TEMPLATE)
        .render(
            result=result,
            headline=headline(result),
            advice=advice(result),
            rows=[point_row(point) for point in result["points"]],
            constraints=[constraint_row(entry) for entry in result["constraints"]],
            reference=reference_point(result["points"]),
            titles=[point_name(point) for point in result["points"]],
            figures=draw(result, polars),
            settings=flatten(result["study"]),
            method=flatten(result["optimisation"]["method"]),
            solver_settings=flatten(result["solver"]["settings"]),
            geometry=geometry_rows(result),
        )
    )


def advice(result: Mapping[str, Any]) -> str:
    """Return what to do where the optimiser did not succeed; empty where it did."""
    search = result["optimisation"]
    if search["success"]:
        return ""
    method, message = search["method"], search["message"].lower()
    if any(word in message for word in ("stopped after", "limit", "maximum")):
        key = "max_iterations" if "max_iterations" in method else "steps"
        if "finite" not in message:
            return f"It was still moving: raise method.{key} (now {method[key]}) to let it end."
    broken = [row["name"] for row in result["constraints"] if not row["best"]["satisfied"]]
    if broken:
        return (
            f"The constraints cannot all be met from there ({', '.join(broken)} is not): loosen "
            "them, widen space.lower and space.upper, begin from another start, or try several "
            "(method.starts = 4)."
        )
    return (
        "Try several starts (method.starts = 4), another start, or another method "
        '(method.kind = "sqp", "slsqp" or "trust-constr").'
    )


def as_known(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result whose objectives are the numbers that people know, L/D instead of -L/D."""
    objective = result["objective"]
    shown = objective.get("shown_as", {"name": objective["kind"], "factor": 1.0, "better": "lower"})

    def told(values: Mapping[str, Any], *keys: str) -> dict[str, Any]:
        known = {k: values[k] for k in keys if values[k] is not None}
        return {**values, **{k: shown["factor"] * value for k, value in known.items()}}

    both = ("claimed", "verified")
    sides = {side: told(objective[side], *both) for side in ("start", "best")}
    search = result["optimisation"]
    return {
        **result,
        "objective": {**objective, **sides, "shown_as": shown},
        "rounds": [told(row, *both) for row in result["rounds"]],
        "optimisation": {
            **search,
            "history": [told(line, "objective") for line in search["history"]],
        },
    }


def environment() -> Environment:
    """Return what renders the templates of reports."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"number": number, "symbol": symbol, "plain": plain}
    return made


def draw(result: Mapping[str, Any], polars: Mapping[str, Any]) -> dict[str, Any]:
    """Return every figure of the report as SVG text."""
    several = len(result["points"]) > 1
    return {
        "shapes": figures.shapes(polars),
        "drag": figures.drag_by_point(result) if several else "",
        "polars": [figures.polar_row(result, polars, i) for i in range(len(result["points"]))],
        "drag_polars": figures.drag_polars(result, polars) if several else "",
        "pressures": figures.pressures(result, polars),
        "convergence": figures.convergence(result) if result["optimisation"]["history"] else "",
    }


def headline(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the first lines say: objective before and after, claims kept, constraints met."""
    objective = result["objective"]
    points = [point["best"] for point in result["points"]]
    kept = [
        inside
        for point in points
        for label, inside in point["verified"]["within"].items()
        if label in ("cl", "cd", "cm") and inside is not None
    ]
    claimed = [entry["best"]["satisfied"] for entry in result["constraints"]]
    verified = [entry["best"]["verified_satisfied"] for entry in result["constraints"]]
    return {
        "change_claimed": change(objective["start"]["claimed"], objective["best"]["claimed"]),
        "change_verified": change(objective["start"]["verified"], objective["best"]["verified"]),
        "gap": change(objective["best"]["claimed"], objective["best"]["verified"]),
        "converged": sum(point["verified"]["converged"] for point in points),
        "points": len(points),
        "kept": sum(kept),
        "judged": len(kept),
        "satisfied": sum(claimed),
        "constraints": len(claimed),
        "verified_satisfied": sum(value is True for value in verified),
        "verified_judged": sum(value is not None for value in verified),
    }


def point_row(point: Mapping[str, Any]) -> dict[str, Any]:
    """Return one row of the table of operating points: claim, interval, verdict, difference."""
    best = point["best"]
    cells = {}
    for label in ("cl", "cd", "cm"):
        claim = best["claimed"]["labels"][label]
        verdict = best["verified"]["labels"].get(label) if best["verified"]["labels"] else None
        counts = label == "cd"
        cells[label] = {
            "claimed": scaled(claim["mean"], counts),
            "reach": scaled((claim["upper"] - claim["lower"]) / 2, counts),
            "verified": scaled(verdict, counts),
            "difference": scaled(None if verdict is None else verdict - claim["mean"], counts),
            "within": best["verified"]["within"].get(label),
        }
    start = point["start"]["verified"]["labels"] or {}
    return {
        "point": point,
        "short": point_name(point).partition(", ")[0],
        "reynolds": grouped(point["reynolds"]),
        "start_cd": scaled(start.get("cd"), True),
        "cells": cells,
        "converged": best["verified"]["converged"],
        "reason": best["verified"]["reason"],
        "dropped": best["verified"]["dropped"],
        "alpha_claimed": best["claimed"]["alpha_deg"],
        "alpha_verified": best["verified"]["alpha_deg"],
    }


def constraint_row(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return one row of the table of constraints; of several values the tightest is shown."""
    lower, upper = entry["lower"], entry["upper"]
    return {
        "name": entry["name"],
        "wanted": wanted(lower, upper),
        "start": shown(entry["start"]["claimed"], lower, upper),
        "claimed": shown(entry["best"]["claimed"], lower, upper),
        "verified": shown(entry["best"]["verified"] or [], lower, upper),
        "satisfied": entry["best"]["satisfied"],
        "verified_satisfied": entry["best"]["verified_satisfied"],
        "several": len(entry["best"]["claimed"]) if lower != upper else 1,
    }


def wanted(lower: Any, upper: Any) -> str:
    """Return the bounds of a constraint as text."""
    if upper is None:
        return f"\u2265 {bound(lower)}"
    if lower is None:
        return f"\u2264 {bound(upper)}"
    return f"= {bound(lower)}" if lower == upper else f"{bound(lower)} to {bound(upper)}"


def shown(values: Sequence[float | None], lower: Any, upper: Any) -> str:
    """Return the value that comes nearest to breaking a bound; of an equality, the range."""
    known = [value for value in values if value is not None]
    if lower == upper and known:
        return bound(known)
    return number(tightest(values, lower, upper), 4)


def bound(value: Any) -> str:
    """Return a bound, or the range of a list of bounds, as text."""
    if isinstance(value, Sequence):
        low, high = min(value), max(value)
        return (
            number(low, 4)
            if number(low, 4) == number(high, 4)
            else f"{number(low, 4)}\u2026{number(high, 4)}"
        )
    return number(value, 4)


def tightest(values: Sequence[float | None], lower: Any, upper: Any) -> float | None:
    """Return the value that comes nearest to breaking a bound."""
    known = [i for i, value in enumerate(values) if value is not None]
    if not known:
        return None

    def margin(i: int) -> float:
        low = lower[i] if isinstance(lower, Sequence) else lower
        high = upper[i] if isinstance(upper, Sequence) else upper
        below = math.inf if low is None else values[i] - low
        above = math.inf if high is None else high - values[i]
        return min(below, above)

    return values[min(known, key=margin)]


def geometry_rows(result: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return the geometry of start and design side by side."""
    start, best = result["start"]["geometry"], result["best"]["geometry"]
    return [(name.replace("_", " "), start.get(name), value) for name, value in best.items()]


def reference_point(points: Sequence[Mapping[str, Any]]) -> int:
    """Return the operating point whose polars are shown first: the middle one."""
    return len(points) // 2


def point_name(point: Mapping[str, Any]) -> str:
    """Return an operating point in words, as plain text."""
    target = point["target_cl"]
    lift = f"C_L {target:.2f}" if target is not None else "given incidence"
    return f"{lift}, Re {grouped(point['reynolds'])}"


def grouped(value: float) -> str:
    """Return a large number with thin spaces between its thousands."""
    return f"{value:,.0f}".replace(",", "\u202f")


def flatten(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Return nested settings as rows of dotted name and value."""
    if isinstance(value, Mapping):
        rows = []
        for key, item in value.items():
            rows += flatten(item, f"{prefix}.{key}" if prefix else str(key))
        return rows
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        rows = []
        for i, item in enumerate(value):
            rows += flatten(item, f"{prefix}[{i}]")
        return rows
    return [(prefix, json.dumps(value) if not isinstance(value, str) else value)]


def change(before: float | None, after: float | None) -> float | None:
    """Return the change in percent, None where a number is absent."""
    if before is None or after is None or before == 0:
        return None
    return 100.0 * (after - before) / abs(before)


def scaled(value: float | None, counts: bool) -> float | None:
    """Return a drag coefficient in counts, anything else as it is."""
    return value * 1e4 if counts and value is not None else value


def number(
    value: float | int | None, digits: int = 4, *, fixed: bool = False, sign: bool = False
) -> str:
    """Return a number for reading: ``digits`` that count, or that many decimals if ``fixed``."""
    if value is None:
        return DASH
    if not abs(value) < ABSURD:
        return UNKNOWN
    value = 0.0 if abs(value) < NOTHING else value
    if not fixed and abs(value) >= max(10.0**digits, 100.0):
        return grouped(value).replace("-", "\u2212")
    text = format(value, f"{'+' if sign else ''}.{digits}{'f' if fixed else 'g'}")
    return text.replace("-", "\u2212")


def symbol(label: str) -> str:
    """Return how a label is written in print."""
    return NAMES.get(label, label)


def plain(text: str) -> str:
    """Return an identifier as words."""
    return text.replace("_", " ")
