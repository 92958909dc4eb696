"""What the defaults of a study do: the problems of design-suite with guards off, on, and refitting.

    guards off    the search as it is: no guard, no caution, one round by the one surrogate
    guards on     guards and caution, still one round
    refitting     the defaults, as ``design_suite.py`` measured them

Everything is judged as there, by an XFoil run apart.

    python benchmarks/design_trust.py [NAME ...]    (names: only these, nothing is written)
    python benchmarks/design_trust.py --keep runs/design-trust   (goes on where it was stopped)
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from _common import RESULTS, Benchmark, save
from _designs import apart, kept_rows
from design_suite import PROBLEMS, alphas, core_seconds, outcome

from formwright.design.airfoils.guards import Guard
from formwright.design.loop import read_study, run
from formwright.design.records import read_json

ALONE: Final[Mapping[str, Any]] = {"rounds": 1, "beside": ()}
VARIANTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "guards off": {**ALONE, "guards_off": tuple(Guard), "caution": 0.0},
    "guards on": ALONE,
}


def judged(path: Path, folder: Path, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Run one study with other keys and judge what it hands over."""
    study = dataclasses.replace(read_study(path), workers=1, **changes)
    began = core_seconds()
    result: Mapping[str, Any] = run(study, folder, resume=False).result
    seconds = core_seconds() - began
    own = {
        side: apart(study, folder / f"{side}.dat", alphas(result, side))
        for side in ("start", "best")
    }
    return {**outcome(study, result, own, folder), "core seconds": seconds}


def summarised(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return what a set of studies came to."""
    kept = np.array([r["verified over claimed"] for r in rows.values()], dtype=float)
    claims = np.array([r["claimed gain"] for r in rows.values()], dtype=float)
    gains = np.array([r["verified gain"] for r in rows.values()], dtype=float)
    return {
        "valid sections": sum(r["valid"] for r in rows.values()),
        "better than the start": sum(r["better"] for r in rows.values()),
        "handed back the start": sum(r["told"] and not r["better"] for r in rows.values()),
        "not good, not told": sum(not r["good"] and not r["told"] for r in rows.values()),
        "median claimed gain": float(np.nanmedian(claims)),
        "median verified gain": float(np.median(np.nan_to_num(gains))),
        "verified over claimed": float(np.median(np.nan_to_num(kept))),
        "core seconds": sum(r["core seconds"] for r in rows.values()),
    }


def main() -> None:
    """Run what is not there yet, and write ``design-trust.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--keep", type=Path, help="where folders and finished rows stay")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = {}
    for variant, changes in VARIANTS.items():
        keep = None if given.keep is None else given.keep / variant.replace(" ", "-")
        one = partial(judged, changes=changes)
        rows[variant] = kept_rows(PROBLEMS, given.names, keep, one)
    if not given.names:
        publish(rows)


def publish(rows: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Write ``design-trust.json``."""
    suite = read_json(RESULTS / "design-suite.json")
    assert suite is not None, "run benchmarks/design_suite.py first"
    peers = {name: summarised(each) for name, each in rows.items()}
    value, count = summarised(suite["details"]), "better than the start"
    three = (*peers.values(), value)
    better = [f"{one[count]}" for one in three]
    kept = [f"{100 * one['verified over claimed']:.0f}" for one in three]
    save(
        Benchmark(
            name="design-trust",
            claim=f"Of {len(suite['details'])} airfoil studies {better[0]} are better than their "
            f"start with guards off, {better[1]} with guards on and {better[2]} with the defaults, "
            f"which refit; the solver finds {kept[0]}, {kept[1]} and {kept[2]} % of the gain "
            "claimed.",
            value=value,
            unit="problems, shares of the start's objective, s of one core",
            better="higher",
            split="benchmarks/data/design-suite",
            peers=peers,
            bars={},
            notes="Judged as design-suite. Guards off: no guard, no caution, one round; guards on: "
            "one round; formwright: the defaults of a study. A study whose gain is not verified "
            "counts as 0.",
            details=rows,
        )
    )


if __name__ == "__main__":
    main()
