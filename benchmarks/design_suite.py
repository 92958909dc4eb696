"""Twenty design problems at the defaults of a study and by a peer, judged by an XFoil run apart.

The problems are ``benchmarks/data/design-suite/*.toml``: objective, start, operating points and
what a practitioner would constrain; not one key is about guards, rounds or bounds. A design is
judged by its contour alone: XFoil with 160, 180 and 200 panels, the median of the three.
AeroSandbox with NeuralFoil solves the same problems with the same constraints and its own
confidence, and is judged likewise. One problem alone:

    formwright optimize benchmarks/data/design-suite/NAME.toml --out runs/NAME

All of them:

    python benchmarks/design_suite.py [NAME ...]     (names: only these, nothing is written)
    python benchmarks/design_suite.py --keep runs/design-suite   (goes on where it was stopped)
"""

from __future__ import annotations

import argparse
import dataclasses
import resource
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from _common import DATA, RESULTS, Benchmark, save, tell
from _designs import LEAST_GAIN, TOLERANCE, Apart, apart, kept_rows, valid
from _peer_designs import PEER, peer_design

from formwright.design.airfoils.stages import prepare
from formwright.design.airfoils.study import Study, load_surrogate
from formwright.design.airfoils.verifiers import choose
from formwright.design.loop import read_study, run
from formwright.design.records import read_json

PROBLEMS: Final = DATA / "design-suite"
KINDS: Final = {
    "uav": "unmanned aircraft",
    "glider": "glider",
    "trainer": "light aircraft",
    "tourer": "light aircraft",
    "propeller": "propeller and racing",
    "racing": "propeller and racing",
    "wind": "wind turbine",
    "tail": "tail",
    "flying": "flying wing",
    "human": "low speed",
    "low": "low speed",
    "high": "high Reynolds number and mission",
    "weighted": "high Reynolds number and mission",
}
"""Kinds of problem by the first word of their names."""
BARS: Final[Mapping[str, float]] = {
    "valid sections": 20,
    "better than the start": 19,
    "verified over claimed gain": 0.95,
    "not good, not told": 0,
    "at least as good as the peer": 15,
    "core seconds": 120.0,
}


def judged(path: Path, folder: Path) -> dict[str, Any]:
    """Run one study and its peer, and judge what they hand over."""
    study = dataclasses.replace(read_study(path), workers=1)
    began = core_seconds()
    result: Mapping[str, Any] = run(study, folder, resume=False).result
    seconds = core_seconds() - began
    own = {
        side: apart(study, folder / f"{side}.dat", alphas(result, side))
        for side in ("start", "best")
    }
    return {
        **outcome(study, result, own, folder),
        "core seconds": seconds,
        "inside": inside(result, own["best"].labels),
        "peer": peer(study, own, folder / "peer.dat"),
    }


def alphas(result: Mapping[str, Any], side: str) -> list[float]:
    """Return the incidences claimed for start or design."""
    return [point[side]["claimed"]["alpha_deg"] for point in result["points"]]


def core_seconds() -> float:
    """Return the processor's time of this process and of the solvers that it ran."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def outcome(
    study: Study, result: Mapping[str, Any], own: Mapping[str, Apart], folder: Path
) -> dict[str, Any]:
    """Return claim and verdict of a study, and whether it told what is not good."""
    start, best = own["start"], own["best"]
    said = {side: result["objective"][side]["claimed"] for side in own}
    claim = (said["start"] - said["best"]) / abs(said["start"])
    gain = (start.objective - best.objective) / abs(start.objective)
    sound = valid(folder / "best.dat")
    better = sound and improves(start, best)
    good = better or (bool(start.broken) and bool(np.isfinite(best.objective)))
    return {
        "kind": KINDS[study.name.partition("-")[0]],
        "valid": sound,
        "start": start.objective,
        "verified": best.objective,
        "claimed gain": claim,
        "verified gain": gain,
        "verified over claimed": gain / claim if claim > 0 else float("nan"),
        "better": better,
        "start breaks": start.broken,
        "broken": best.broken,
        "good": bool(good and sound and not best.broken),
        "told": bool(result["reasons"]),
        "verdict": result["verdict"],
    }


def improves(start: Apart, best: Apart) -> bool:
    """Return whether a design gains enough, or is verified where the start misses a point."""
    if not np.isfinite(start.objective):
        return bool(np.isfinite(best.objective))
    return bool(start.objective - best.objective > LEAST_GAIN * abs(start.objective))


def inside(
    result: Mapping[str, Any], labels: Mapping[str, np.ndarray]
) -> list[tuple[int, str, bool]]:
    """Return by point and label whether the verdict lies inside the interval claimed.

    Drag and moment count, and the lift where an incidence was given: a lift target is met by both.
    """
    rows = []
    for i, point in enumerate(result["points"]):
        names = ("cd", "cm") if point["target_cl"] is not None else ("cl", "cd", "cm")
        for name in names:
            ends, verdict = point["best"]["claimed"]["labels"][name], float(labels[name][i])
            if np.isfinite(verdict):
                rows.append((i, name, ends["lower"] <= verdict <= ends["upper"]))
    return rows


def peer(study: Study, own: Mapping[str, Apart], path: Path) -> dict[str, Any]:
    """Return the peer's design of the same problem, judged likewise."""
    setup = prepare(study, load_surrogate(study.surrogate), choose(study.solver))
    began = core_seconds()
    alpha = peer_design(setup, path)
    seconds = core_seconds() - began
    sound = valid(path)
    seen = apart(study, path, alpha) if sound else Apart(float("nan"), (), {})
    start = own["start"].objective
    return {
        "valid": sound,
        "verified": seen.objective,
        "verified gain": (start - seen.objective) / abs(start),
        "better": sound and improves(own["start"], seen),
        "broken": seen.broken,
        "core seconds": seconds,
        "at least as good": at_least_as_good(own["best"], seen),
    }


def at_least_as_good(own: Apart, other: Apart) -> bool:
    """Return whether a design comes no later than another: verified, nothing broken, objective."""
    ranks = [(not np.isfinite(one.objective), bool(one.broken)) for one in (own, other)]
    if ranks[0] != ranks[1] or ranks[0][0]:
        return ranks[0] <= ranks[1]
    return own.objective <= other.objective + LEAST_GAIN * abs(other.objective)


def main() -> None:
    """Run all problems, judge, and write ``design-suite.json`` and ``design-coverage.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--keep", type=Path, help="where folders and finished rows stay")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = kept_rows(PROBLEMS, given.names, given.keep, judged)
    tell("all", summarised(rows))
    if not given.names:
        publish(rows)
        publish_coverage(rows)


def summarised(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return the counts over all problems."""
    kept = [r["verified over claimed"] for r in rows.values()]
    return {
        "valid sections": sum(r["valid"] for r in rows.values()),
        "better than the start": sum(r["better"] for r in rows.values()),
        "verified over claimed gain": float(np.median(np.nan_to_num(np.array(kept, dtype=float)))),
        "not good, not told": sum(not r["good"] and not r["told"] for r in rows.values()),
        "at least as good as the peer": sum(r["peer"]["at least as good"] for r in rows.values()),
        "core seconds": sum(r["core seconds"] for r in rows.values()),
    }


def peers(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return the same of the peer; it tells nothing."""
    others = [r["peer"] for r in rows.values()]
    return {
        "valid sections": sum(o["valid"] for o in others),
        "better than the start": sum(o["better"] for o in others),
        "not good, not told": sum(not o["better"] or bool(o["broken"]) for o in others),
        "core seconds": sum(o["core seconds"] for o in others),
    }


def publish(rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Write ``design-suite.json``."""
    value = summarised(rows)
    save(
        Benchmark(
            name="design-suite",
            claim=f"{len(rows)} airfoil studies at their defaults, judged by an XFoil run apart: "
            f"{value['valid sections']} valid sections, {value['better than the start']} better "
            f"than the start, {value['not good, not told']} worse, broken or unverified without "
            f"saying so, {value['at least as good as the peer']} at least as good as the peer's; "
            "the median of verified over claimed gain is "
            f"{value['verified over claimed gain']:.2f}.",
            value=value,
            unit="problems, share of the claimed gain, s of one core",
            better="higher",
            split="benchmarks/data/design-suite: "
            + ", ".join(dict.fromkeys(r["kind"] for r in rows.values())),
            peers={PEER: peers(rows)},
            bars={"bar": BARS},
            notes="The verdict is the median of XFoil with 160, 180 and 200 panels; better means "
            f"{100 * LEAST_GAIN:g} % of the start's objective or more, or verified where "
            "the start is not; a constraint is broken where it is missed by "
            f"{TOLERANCE:g} of its scale with all three. A design is good where it is better, or "
            "keeps what the start breaks, and breaks nothing. The seconds are those of studies and "
            "their own verification; the peer does not verify. A caution of 4 was tried on these "
            "problems, too: 9 at least as good as the peer, ratio .977, 89.6 % of the verdicts "
            "inside.",
            details=rows,
        )
    )


def covered(rows: Sequence[Mapping[str, Any]]) -> float:
    """Return the share of verdicts inside the intervals claimed."""
    found = [within for r in rows for _, _, within in r["inside"]]
    return float(np.mean(found)) if found else float("nan")


def publish_coverage(rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Write ``design-coverage.json``, with the designs of ``design-suite-rans`` where they are."""
    kinds = list(dict.fromkeys(r["kind"] for r in rows.values()))
    of_kind = {kind: [r for r in rows.values() if r["kind"] == kind] for kind in kinds}
    rans = read_json(RESULTS / "design-suite-rans.json")
    if rans is not None:
        of_kind["with rans-2d, by OpenFOAM"] = list(rans["details"].values())
    every = [r for some in of_kind.values() for r in some]
    value = {"all": covered(every), **{kind: covered(some) for kind, some in of_kind.items()}}
    count = sum(len(r["inside"]) for r in every)
    save(
        Benchmark(
            name="design-coverage",
            claim=f"Of {count} verdicts on {len(every)} designs, {100 * value['all']:.0f} % lie "
            "inside the 90 % intervals that the studies claim for them.",
            value=value,
            unit="share of verdicts inside the 90 % interval",
            better="higher",
            split="the designs of design-suite and design-suite-rans, by kind of problem",
            peers={},
            bars={"least": {"all": 0.8}, "most": {"all": 0.97}},
            notes="Drag and moment at every operating point, and the lift where the incidence is "
            "given; the verdict is the median of XFoil with 160, 180 and 200 panels; OpenFOAM with "
            "rans-2d.",
            details={name: r["inside"] for name, r in rows.items()},
        )
    )


if __name__ == "__main__":
    main()
