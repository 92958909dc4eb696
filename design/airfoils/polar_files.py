"""The polars of a finished study, claimed and verified: ``polars.json`` (layout: ``study``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from formwright.datasets.solvers.result import stations
from formwright.design.airfoils.handover import AirfoilRound, name
from formwright.design.airfoils.stages import Claims, Setup
from formwright.design.airfoils.sweeps import Sweep
from formwright.design.airfoils.verify import Verdict, Verification
from formwright.design.records import AIRFOIL_FORMAT


def polars(setup: Setup, best: AirfoilRound, start: AirfoilRound) -> dict[str, Any]:
    """Return the content of ``polars.json``."""
    sides = {"start": start, "best": best}
    return {
        "format_version": AIRFOIL_FORMAT,
        "stations": stations(),
        "sections": {
            side: {"name": name(setup, one), "pos": one.claims.pos.tolist()}
            for side, one in sides.items()
        },
        **{side: _side_polars(setup, one.claims, one.verdicts) for side, one in sides.items()},
    }


def _side_polars(setup: Setup, claims: Claims, verification: Verification) -> list[dict[str, Any]]:
    rows = []
    for i, point in enumerate(setup.points.points):
        rows.append(
            {
                "reynolds": point.reynolds,
                "ncrit": point.ncrit,
                "mach": point.mach,
                "claimed": _claimed_polar(claims.sweeps[i], claims.bounds[i]),
                "verified": _verified_polar(verification.sweeps[i]),
                "cp": {
                    "claimed": _claimed_pressure(claims, i),
                    "verified": _pressure(verification.verdicts[i]),
                },
            }
        )
    return rows


def _claimed_polar(
    sweep: Sweep, bounds: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> dict[str, Any]:
    ends = {f"{name}_lower": low for name, (low, _) in bounds.items()}
    ends |= {f"{name}_upper": high for name, (_, high) in bounds.items()}
    return {"alpha_deg": sweep.alpha_deg, **sweep.labels, **ends}


def _verified_polar(sweep: Sweep) -> dict[str, Any]:
    return {
        "alpha_deg": sweep.alpha_deg,
        **sweep.labels,
        "converged": sweep.converged,
        "used": sweep.used,
        "reason": sweep.reasons,
    }


def _claimed_pressure(claims: Claims, i: int) -> dict[str, Any] | None:
    fields = claims.prediction.fields
    if "cp_top" not in fields:
        return None
    top, bottom = (fields[name][i].detach().double().numpy() for name in ("cp_top", "cp_bottom"))
    return {"alpha_deg": claims.alpha_deg[i], "top": top, "bottom": bottom}


def _pressure(verdict: Verdict) -> dict[str, Any] | None:
    if not verdict.converged or "cp_top" not in verdict.fields:
        return None
    top, bottom = verdict.fields["cp_top"], verdict.fields["cp_bottom"]
    return {"alpha_deg": verdict.alpha_deg, "top": top, "bottom": bottom}
