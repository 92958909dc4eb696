"""A study solved by AeroSandbox with NeuralFoil, under the study's constraints and its own."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from formwright.datasets.airfoils import cst, geometry
from formwright.datasets.airfoils.section import Section
from formwright.datasets.airfoils.sections import write_dat
from formwright.design.airfoils.specs import ConstraintKind, ConstraintSpec
from formwright.design.airfoils.stages import Setup
from formwright.design.constraint import as_list
from formwright.design.objectives import ObjectiveKind

PEER: Final = "AeroSandbox 4.2.10 + NeuralFoil 0.3.3"
CONFIDENCE: Final = 0.9
SMOOTH: Final = "smoothness"
_STATIONS: Final = cst.cosine_spacing(50).numpy()[1:-1]


def peer_design(setup: Setup, path: Path) -> list[float]:
    """Solve a study as AeroSandbox's tutorial solves its own, and write the section.

    Start, bounds, constraints and the limit of wiggliness are the study's; NeuralFoil's confidence
    is at least .9, or the start's where that is less. A search that fails hands over its last.

    Returns:
        The incidence at each operating point.
    """
    import aerosandbox as asb

    warnings.simplefilter("ignore", FutureWarning)
    opti = asb.Opti()
    first, design = _sections(setup, opti)
    alpha = _incidences(setup, opti)
    points = setup.points.points
    flow: dict[str, Any] = {
        "Re": np.array([p.reynolds for p in points]),
        "mach": np.array([p.mach for p in points]),
        "n_crit": np.array([p.ncrit for p in points]),
    }
    aero = design.get_aero_from_neuralfoil(alpha=alpha, **flow)
    began = first.get_aero_from_neuralfoil(alpha=np.array(setup.start.alpha_deg), **flow)
    opti.subject_to(_care(setup, first, design))
    least = np.minimum(CONFIDENCE, began["analysis_confidence"])
    opti.subject_to(aero["analysis_confidence"] >= least - 1e-6)
    for i, point in enumerate(points):
        if point.cl is not None:
            opti.subject_to(aero["CL"][i] == point.cl)
    for spec in setup.study.constraints:
        opti.subject_to(_constraint(spec, design, aero))
    opti.minimize(_objective(setup, aero))
    solution = opti.solve(behavior_on_failure="return_last", verbose=False, max_iter=300)
    _write(path, solution(design))
    return np.atleast_1d(np.asarray(solution(alpha), dtype=float)).tolist()


def _sections(setup: Setup, opti: Any) -> tuple[Any, Any]:
    """Return start and unknown section, within the bounds of the study's space."""
    import aerosandbox as asb

    edge = float(geometry.trailing_edge_thickness(setup.start.pos))
    vector = setup.space.sides.fit(setup.start.pos).numpy()
    parts = {"lower": vector[:8], "upper": vector[8:16]}
    first = asb.KulfanAirfoil(
        name="start",
        lower_weights=parts["lower"],
        upper_weights=parts["upper"],
        leading_edge_weight=vector[16],
        TE_thickness=edge,
    )
    low, high = setup.space.bounds.numpy()
    sides = [
        opti.variable(
            init_guess=np.clip(vector[part], low[part], high[part]),
            lower_bound=low[part],
            upper_bound=high[part],
        )
        for part in (slice(0, 8), slice(8, 16))
    ]
    nose = opti.variable(
        init_guess=float(np.clip(vector[16], low[16], high[16])),
        lower_bound=float(low[16]),
        upper_bound=float(high[16]),
    )
    design = asb.KulfanAirfoil(
        name="design",
        lower_weights=sides[0],
        upper_weights=sides[1],
        leading_edge_weight=nose,
        TE_thickness=edge,
    )
    return first, design


def _incidences(setup: Setup, opti: Any) -> Any:
    """Return the incidences: unknown where a lift is asked, the study's elsewhere."""
    import aerosandbox.numpy as anp

    low, high = setup.points.alpha_bounds_deg
    given = zip(setup.points.points, setup.start.alpha_deg, strict=True)
    return anp.array(
        [
            opti.variable(init_guess=float(np.clip(guess, low, high)), lower_bound=low)
            if point.cl is not None
            else float(point.start_alpha_deg)
            for point, guess in given
        ]
    )


def _care(setup: Setup, first: Any, design: Any) -> list[Any]:
    """Return what keeps the shape a section: sides apart, an angle behind, no wiggles."""
    (limit,) = (as_list(c.upper, 0.0)[0] for c in setup.problem.constraints if c.name == SMOOTH)
    angle = min(math.degrees(math.atan(0.07)), 0.8 * max(float(first.TE_angle()), 0.0))
    return [
        design.local_thickness(x_over_c=_STATIONS) >= 0.0,
        design.TE_angle() >= angle,
        sum(_wiggle(side) for side in (design.lower_weights, design.upper_weights)) <= limit,
    ]


def _wiggle(side: Any) -> Any:
    import aerosandbox.numpy as anp

    return anp.sum(anp.diff(anp.diff(side)) ** 2)


def _constraint(spec: ConstraintSpec, design: Any, aero: dict[str, Any]) -> list[Any]:
    """Return a constraint of the study in the peer's words."""
    import aerosandbox.numpy as anp

    if spec.kind is ConstraintKind.LABEL:
        value = aero[str(spec.label).upper()]
    elif spec.kind is ConstraintKind.THICKNESS:
        value = design.local_thickness(x_over_c=spec.at)
    elif spec.kind is ConstraintKind.MAX_THICKNESS:
        value = anp.max(design.local_thickness(x_over_c=_STATIONS))
    else:
        raise ValueError(f"the peer has no constraint of kind {spec.kind.value!r}.")
    low, high = (np.array(as_list(bound, np.nan)) for bound in (spec.lower, spec.upper))
    held = [] if spec.lower is None else [value >= low]
    return held if spec.upper is None else [*held, value <= high]


def _objective(setup: Setup, aero: dict[str, Any]) -> Any:
    """Return the study's objective of NeuralFoil's answer, without caution."""
    import aerosandbox.numpy as anp

    weights = np.asarray(setup.points.weights)
    kind = setup.study.objective
    if kind is ObjectiveKind.LIFT:
        return -anp.mean(weights * aero["CL"])
    if kind is ObjectiveKind.LIFT_TO_DRAG:
        return -anp.mean(weights * aero["CL"] / aero["CD"]) / 100.0
    return anp.mean(weights * aero["CD"]) * 100.0


def _write(path: Path, found: Any) -> None:
    """Write the section as a file."""
    nose = [float(found.leading_edge_weight), float(found.TE_thickness)]
    vector = np.concatenate([found.lower_weights, found.upper_weights, nose])
    pos = cst.coordinates(torch.from_numpy(vector.astype(np.float64)))
    write_dat(path, Section(name=path.stem, pos=pos, family="peer", source=PEER))
