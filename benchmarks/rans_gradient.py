"""The gradient of RANS drag to the shape: a surrogate's, against central differences of OpenFOAM.

Eight modes of the shape, three bases (``_gradient_truth.py``). The differences are stored
(``benchmarks/data/rans-gradient.json``): the comparison takes seconds and needs no OpenFOAM.
``--solve`` computes what is missing of them, about a minute a flow and core, and goes on where it
was stopped. The surrogate's gradient is autograd's, through ``cst.coordinates``.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from _common import ROOT, Benchmark, save, tell
from _gradient_truth import CHECKED, LABELS, OTHER_STEP, STEP, compute, differences, modes
from _gradient_truth import read_table as read
from jaxtyping import Float
from torch import Tensor

import formwright
from formwright.datasets.airfoils import cst
from formwright.datasets.cases import sections_batch
from formwright.datasets.rans.cases import POINTS_PER_SIDE
from formwright.surrogate.airfoils.panel import PanelSurrogate
from formwright.surrogate.model import Surrogate

BAR: Final = 0.9
PANELS: Final = 140
LOW_NCRIT: Final = 1.0
XFOIL_LOW_NCRIT: Final = 3.0
NCRIT: Final = 9.0
LEAST: Final = 4
"""Components that a base must have to be judged by itself."""
Gradients = Mapping[str, Mapping[str, Float[np.ndarray, " modes"]]]
"""By base, by label."""


def slopes(
    surrogate: Surrogate, table: Mapping[str, Any], base: Mapping[str, Any], ncrit: float
) -> dict[str, Float[np.ndarray, " modes"]]:
    """Return the gradient of each label at a base, a standard deviation of each mode."""
    scaled = torch.from_numpy(np.array(table["spread"])[:, None] * modes())
    along = torch.zeros(len(scaled), dtype=torch.float64, requires_grad=True)
    mean = mean_at(surrogate, base, ncrit, along @ scaled)
    found = {}
    for label in LABELS:
        (slope,) = torch.autograd.grad(mean[label].sum(), along, retain_graph=True)
        found[label] = slope.numpy()
    return found


def mean_at(
    surrogate: Surrogate,
    base: Mapping[str, Any],
    ncrit: float,
    move: Float[Tensor, " parameters"] | float = 0.0,
) -> Mapping[str, Float[Tensor, " points"]]:
    """Return what the surrogate says of a base whose CST vector is moved."""
    vector = torch.tensor(base["vector"], dtype=torch.float64) + move
    asked = {"alpha_deg": base["alpha_deg"], "reynolds": base["reynolds"], "ncrit": ncrit}
    conditions = {k: torch.tensor([[v]], dtype=torch.float64) for k, v in asked.items()}
    pos = cst.coordinates(vector, POINTS_PER_SIDE)
    return surrogate(sections_batch(pos[None], conditions)).mean


def gradients(surrogate: Surrogate, table: Mapping[str, Any], ncrit: float) -> Gradients:
    """Return the surrogate's gradients at every base."""
    return {base["name"]: slopes(surrogate, table, base, ncrit) for base in table["bases"]}


def truth(table: Mapping[str, Any]) -> Gradients:
    """Return OpenFOAM's gradients at every base; NaN where a flow has no answer."""
    names = [base["name"] for base in table["bases"]]
    return {name: {label: differences(table, name, label) for label in LABELS} for name in names}


def judged(theirs: Gradients) -> Gradients:
    """Return the truth.

    Raises:
        SystemExit: No base has enough components for a gradient.
    """
    counts = {name: int(np.isfinite(labels["cd"]).sum()) for name, labels in theirs.items()}
    if max(counts.values()) < LEAST:
        raise SystemExit(
            f"a base is judged by {LEAST} components of its gradient or more; the table has "
            f"{counts}. Compute more: python benchmarks/rans_gradient.py --solve"
        )
    return theirs


def agreement(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
    """Return the cosine between two gradients and the ratio of their norms.

    Components that are NaN in ``theirs`` are left out of both.
    """
    there = np.isfinite(theirs)
    ours, theirs = ours[there], theirs[there]
    size, true_size = np.linalg.norm(ours), np.linalg.norm(theirs)
    return float(ours @ theirs / (size * true_size)), float(size / true_size)


def scores(ours: Gradients, theirs: Gradients) -> dict[str, float]:
    """Return the agreement over all components, and of the drag the least of a base."""
    found = {}
    for label in reversed(LABELS):
        both = [np.concatenate([g[name][label] for name in theirs]) for g in (ours, theirs)]
        cosine, ratio = agreement(*both)
        key = label.upper()
        found |= {f"{key} cosine": cosine, f"{key} norm ratio": ratio}
    each = by_base(ours, theirs).values()
    if each:
        found["CD cosine, worst base"] = min(row["cd"]["cosine"] for row in each)
    return found


def by_base(ours: Gradients, theirs: Gradients) -> dict[str, dict[str, dict[str, float]]]:
    """Return cosine and ratio of norms of each label at each base with enough components."""
    found = {}
    for name, labels in theirs.items():
        if np.isfinite(labels["cd"]).sum() < LEAST:
            continue
        pairs = {label: agreement(ours[name][label], labels[label]) for label in LABELS}
        found[name] = {label: {"cosine": c, "norm ratio": r} for label, (c, r) in pairs.items()}
    return found


def linearity(table: Mapping[str, Any]) -> dict[str, float]:
    """Return the difference quotients of the drag in one direction, by step, where they exist."""
    base, mode = CHECKED
    k = table["modes"].index(mode)
    found = {f"{s:g}": float(differences(table, base, "cd", s)[k]) for s in (STEP, OTHER_STEP)}
    return {step: slope for step, slope in found.items() if np.isfinite(slope)}


def noise(table: Mapping[str, Any]) -> float:
    """Return by how much the stop criterion may move a component of the drag's gradient."""
    drags = [row["cd"] for row in table["rows"] if not row["reason"]]
    return table["solver"]["tolerance"] * float(np.median(drags)) / STEP


def rows_told(table: Mapping[str, Any], theirs: Gradients) -> str:
    """Return, for a reader, what the truth rests on."""
    failed = sum(bool(row["reason"]) for row in table["rows"])
    drag = np.concatenate([labels["cd"] for labels in theirs.values()])
    missing, size = int(np.isnan(drag).sum()), float(np.sqrt(np.nanmean(drag**2)))
    quotients = " and ".join(f"{v:.6f} at a step of {k}" for k, v in linearity(table).items())
    return (
        f"Truth: {len(table['rows'])} flows by OpenFOAM at the corpus's settings, {failed} without "
        f"an answer; {missing} of {len(drag)} components are missing. The stop criterion may move "
        f"a component of CD by {noise(table):.1e}; their root mean square is {size:.1e}. In one "
        f"direction ({' of '.join(reversed(CHECKED))}) the quotient is {quotients}."
    )


def benchmark(
    name: str, table: Mapping[str, Any], theirs: Gradients, found: Mapping[str, Gradients]
) -> Benchmark:
    """Return what was found; ``found`` holds the surrogate called ``name`` and its peers."""
    value = scores(found[name], theirs)
    each = by_base(found[name], theirs)
    told = ", ".join(f"{base} {row['cd']['cosine']:.3f}" for base, row in each.items())
    where = "; ".join(
        f"{b['name']} ({b['split']} family) at {b['alpha_deg']:g} deg, Re {b['reynolds']:.2g}"
        for b in table["bases"]
    )
    components = sum(int(np.isfinite(labels["cd"]).sum()) for labels in theirs.values())
    return Benchmark(
        name="rans-gradient",
        claim=(
            f"The gradient of {name}'s drag to the shape has a cosine of "
            f"{value['CD cosine']:.3f} with central differences of OpenFOAM over {components} "
            f"components ({told}), its lift's {value['CL cosine']:.3f}."
        ),
        value=value,
        unit="cosine of two gradients, ratio of their norms (1 is right)",
        better="higher",
        bars={"bar": {"CD cosine": BAR}},
        peers={who: scores(other, theirs) for who, other in found.items() if who != name},
        split=where,
        notes=rows_told(table, theirs) + " Eight modes of the CST weights, thickness and camber "
        "in four cosines each, in units of their standard deviation over the training sections.",
        details={
            "by base": {who: by_base(other, theirs) for who, other in found.items()},
            "linearity of CD": linearity(table),
            "truth": plain(theirs),
            "gradients": {who: plain(other) for who, other in found.items()},
            "modes": table["modes"],
        },
    )


def plain(found: Gradients) -> dict[str, dict[str, list[float | None]]]:
    """Return gradients as lists, None where there is none."""
    return {
        name: {label: [None if np.isnan(v) else float(v) for v in g] for label, g in row.items()}
        for name, row in found.items()
    }


def main() -> None:
    """Solve if asked to, compare, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--surrogate", default="rans-2d", help="a name or a folder")
    parser.add_argument("--solve", action="store_true", help="compute the flows that are missing")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "rans-gradient")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--hours", type=float, help="start no flow after them; 0 only collects")
    arguments = parser.parse_args()
    if arguments.solve:
        limit = None if arguments.hours is None else 3600.0 * arguments.hours
        compute(arguments.out, arguments.workers, limit)
    torch.set_num_threads(1)
    table = read()
    theirs, polar = judged(truth(table)), formwright.load("airfoil-polar")
    chosen = formwright.load(arguments.surrogate)
    found = {
        arguments.surrogate: gradients(chosen, table, NCRIT),
        f"airfoil-polar, Ncrit {XFOIL_LOW_NCRIT:g}": gradients(polar, table, XFOIL_LOW_NCRIT),
        f"airfoil-polar, Ncrit {NCRIT:g}": gradients(polar, table, NCRIT),
        f"panel method, Ncrit {LOW_NCRIT:g}": gradients(
            PanelSurrogate(panels=PANELS), table, LOW_NCRIT
        ),
    }
    for who, other in found.items():
        tell(who, by_base(other, theirs))
    save(benchmark(arguments.surrogate, table, theirs, found))


if __name__ == "__main__":
    main()
