"""Ten ordinary design problems at the defaults of a study, judged by an XFoil run of their own.

The problems are ``benchmarks/data/design-defaults/*.toml``: start, operating points, objective and
what a practitioner would constrain; not one key is about guards, rounds or bounds. A design is
judged by its ``best.dat`` alone: XFoil with 160, 180 and 200 panels, the median of the three. The
gain that a study claims is that of its last word, of the section it hands over against the start.

    python benchmarks/design_defaults.py [NAME ...]     (names: only these, nothing is written)
    python benchmarks/design_defaults.py --keep runs/design-defaults
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _common import DATA, Benchmark, save, tell
from _designs import LEAST_GAIN, apart, valid

from formwright.design.loop import read_study, run


def judged(path: Path, folder: Path) -> dict[str, Any]:
    """Run one study and judge what it hands over."""
    study = read_study(path)
    began = time.perf_counter()
    result: Mapping[str, Any] = run(study, folder).result
    seconds = time.perf_counter() - began
    alpha = {
        side: [p[side]["claimed"]["alpha_deg"] for p in result["points"]]
        for side in ("start", "best")
    }
    sound = valid(folder / "best.dat")
    verdict = {
        side: apart(study, folder / f"{side}.dat", alpha[side]).objective
        if sound or side == "start"
        else float("nan")
        for side in ("start", "best")
    }
    claimed = result["objective"]
    gain = (verdict["start"] - verdict["best"]) / abs(verdict["start"])
    claim = (claimed["start"]["claimed"] - claimed["best"]["claimed"]) / abs(
        claimed["start"]["claimed"]
    )
    return {
        "valid": sound,
        "claimed gain": claim,
        "verified gain": gain,
        "verified over claimed": gain / claim if claim > 0 else float("nan"),
        "better": bool(sound and gain > LEAST_GAIN),
        "told": int(bool(result["reasons"])) != 0,
        "verdict": result["verdict"],
        "seconds": seconds,
    }


def main() -> None:
    """Run all problems, judge, and write ``design-defaults.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--keep", type=Path, help="where the studies' folders stay")
    given = parser.parse_args()
    torch.set_num_threads(1)
    paths = sorted((DATA / "design-defaults").glob("*.toml"))
    chosen = [path for path in paths if not given.names or path.stem in given.names]
    rows = {}
    with tempfile.TemporaryDirectory() as temporary:
        for path in chosen:
            rows[path.stem] = judged(path, (given.keep or Path(temporary)) / path.stem)
            tell(path.stem, rows[path.stem])
    summary = summarised(rows)
    tell("all", summary)
    if not given.names:
        publish(rows, summary)


def summarised(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return the counts over all problems."""
    kept = [r["verified over claimed"] for r in rows.values()]
    return {
        "valid sections": sum(r["valid"] for r in rows.values()),
        "better than the start": sum(r["better"] for r in rows.values()),
        "verified over claimed gain": float(np.median(np.nan_to_num(kept))),
        "not better, not told": sum(not r["better"] and not r["told"] for r in rows.values()),
        "seconds": sum(r["seconds"] for r in rows.values()),
    }


def publish(rows: Mapping[str, Mapping[str, Any]], summary: Mapping[str, float]) -> None:
    """Write the JSON."""
    save(
        Benchmark(
            name="design-defaults",
            claim=f"{len(rows)} ordinary airfoil studies at their defaults, judged by an XFoil run "
            f"apart: {summary['valid sections']} valid sections, "
            f"{summary['better than the start']} better than the start, "
            f"{summary['not better, not told']} not better without saying so; the median of "
            f"verified over claimed gain is {summary['verified over claimed gain']:.2f}.",
            value=summary,
            unit="problems, share of the claimed gain, s",
            better="higher",
            split="benchmarks/data/design-defaults: UAV, wind turbine, flying wing, high lift, "
            "propeller, racing, glider, general aviation, tail, human-powered",
            peers={},
            notes="The verdict is the median of XFoil with 160, 180 and 200 panels on best.dat and "
            f"start.dat; better means {100 * LEAST_GAIN:g} % of the start's objective or more. The "
            "seconds are those of the studies, their own verification included.",
            details={
                name: {k: None if v != v else v for k, v in row.items()}
                for name, row in rows.items()
            },
        )
    )


if __name__ == "__main__":
    main()
