"""The multipoint problem of AeroSandbox's airfoil tutorial, solved by both, judged by XFoil.

Both start from NACA 0012 with the same bounds and constraints; each keeps inside its own
surrogate's knowledge (NeuralFoil's confidence above .9; here one standard deviation is added to the
drag). XFoil then sweeps both designs in quarter degrees and is read at the lift targets.

    python benchmarks/multipoint_design.py
"""

from __future__ import annotations

import dataclasses
import time
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from _common import ROOT, Benchmark, save

from formwright.datasets.airfoils import cst
from formwright.design.airfoils.stages import Setup, prepare
from formwright.design.airfoils.study import Study, load_surrogate
from formwright.design.airfoils.verifiers import SolverName, choose
from formwright.design.airfoils.verify import verify
from formwright.design.loop import read_study
from formwright.design.objectives import weighted_drag
from formwright.design.optimise.solve import optimise

STUDY = ROOT / "examples" / "multipoint.toml"
PEER = "AeroSandbox 4.2.10 + NeuralFoil 0.3.3"


@dataclass(frozen=True, slots=True)
class Design:
    """A section with its claim: contour, incidences, drag at the six points, time taken."""

    pos: torch.Tensor
    alpha_deg: list[float]
    cd: np.ndarray
    seconds: float


def ours(study: Study) -> tuple[Setup, Design]:
    """Solve with the shipped surrogate: one round of the study, its solver not yet asked."""
    surrogate, chosen = load_surrogate(study.surrogate), choose(SolverName.XFOIL)
    prepare(study, surrogate, chosen)
    start = time.perf_counter()
    setup = prepare(study, surrogate, chosen)
    cautious = weighted_drag(setup.points.weights, study.caution)
    problem = dataclasses.replace(setup.problem, objective=cautious)
    solution = optimise(problem, study.method, setup.x0)
    seconds = time.perf_counter() - start
    if not solution.feasible:
        raise SystemExit(f"the optimiser found no feasible design: {solution.message}")
    cd = solution.prediction["cd"].numpy()
    pos = setup.space.decode(solution.x[None]).pos
    return setup, Design(pos, solution.case.alpha_deg.tolist(), cd, seconds)


def theirs(setup: Setup) -> Design:
    """Solve the same problem with AeroSandbox, as its tutorial does."""
    import aerosandbox as asb
    import aerosandbox.numpy as anp

    target = np.array([p.cl for p in setup.points.points], dtype=float)
    weights = np.asarray(setup.points.weights)
    reynolds = np.array([p.reynolds for p in setup.points.points])
    start = time.perf_counter()
    first = asb.Airfoil("naca0012").to_kulfan_airfoil()
    opti = asb.Opti()
    design = asb.KulfanAirfoil(
        name="design",
        lower_weights=opti.variable(
            init_guess=first.lower_weights, lower_bound=-0.5, upper_bound=0.25
        ),
        upper_weights=opti.variable(
            init_guess=first.upper_weights, lower_bound=-0.25, upper_bound=0.5
        ),
        leading_edge_weight=opti.variable(
            init_guess=first.leading_edge_weight, lower_bound=-1, upper_bound=1
        ),
        TE_thickness=0,
    )
    alpha = opti.variable(
        init_guess=np.degrees(target / (2 * np.pi)), lower_bound=-5, upper_bound=18
    )
    aero = design.get_aero_from_neuralfoil(alpha=alpha, Re=reynolds, mach=0.03)

    def wiggle(airfoil: asb.KulfanAirfoil) -> object:
        sides = (airfoil.lower_weights, airfoil.upper_weights)
        return sum(anp.sum(anp.diff(anp.diff(side)) ** 2) for side in sides)

    opti.subject_to(
        [
            aero["analysis_confidence"] > 0.90,
            aero["CL"] == target,
            anp.diff(alpha) > 0,
            aero["CM"] >= -0.133,
            design.local_thickness(x_over_c=0.33) >= 0.128,
            design.local_thickness(x_over_c=0.90) >= 0.014,
            design.TE_angle() >= 6.03,
            design.lower_weights[0] < -0.05,
            design.upper_weights[0] > 0.05,
            design.local_thickness() > 0,
            wiggle(design) < 2 * wiggle(first),
        ]
    )
    opti.minimize(anp.mean(aero["CD"] * weights))
    solution = opti.solve(behavior_on_failure="return_last", verbose=False)
    seconds = time.perf_counter() - start
    found = solution(design)
    vector = np.concatenate(
        [found.lower_weights, found.upper_weights, [float(found.leading_edge_weight), 0.0]]
    )
    pos = cst.coordinates(torch.from_numpy(vector))
    return Design(pos, np.asarray(solution(alpha)).tolist(), solution(aero)["CD"], seconds)


def judged(setup: Setup, design: Design) -> dict[str, float]:
    """Return the claim and XFoil's verdict on a design."""
    verdict = verify(design.pos, setup.points, setup.chosen.solver, design.alpha_deg)
    missing = [v.reason for v in verdict.verdicts if not v.converged]
    if missing:
        raise SystemExit(f"XFoil does not verify every point: {missing[0]}")
    weights = np.asarray(setup.points.weights)
    cd = np.array([v.labels["cd"] for v in verdict.verdicts])
    cm = min(v.labels["cm"] for v in verdict.verdicts)
    return {
        "verified": float(np.mean(weights * cd)),
        "claimed": float(np.mean(weights * design.cd)),
        "verified_least_cm": float(cm),
        "seconds": design.seconds,
    }


def main() -> None:
    """Solve, verify, and write ``multipoint-design.json``."""
    warnings.simplefilter("ignore", FutureWarning)
    torch.set_num_threads(1)
    setup, mine = ours(read_study(STUDY))
    peer = theirs(setup)
    value, other = judged(setup, mine), judged(setup, peer)
    better = 1.0 - value["verified"] / other["verified"]
    save(
        Benchmark(
            name="multipoint-design",
            claim="Weighted mean drag by XFoil's verdict, against AeroSandbox's design of the same "
            f"problem: {100 * better:.2f} % less, found {other['seconds'] / value['seconds']:.1f} "
            "times as fast.",
            value=value,
            unit="1 (weight x CD), s",
            better="lower",
            split="six lift coefficients, examples/multipoint.toml",
            peers={PEER: other},
            bars={
                "bar": {"verified": other["verified"]},
                "stretch": {
                    "verified": 0.97 * other["verified"],
                    "seconds": 0.2 * other["seconds"],
                },
            },
            notes="seconds: from the statement of the problem to its solution, weights loaded.",
        )
    )


if __name__ == "__main__":
    main()
