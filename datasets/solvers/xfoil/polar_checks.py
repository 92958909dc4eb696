"""False convergence: polar points that a solver calls converged and that cannot be right.

Three tests that need no second run, on one sweep of incidence. A point must not have less drag
than the friction of a flat plate with the same transition points: the falsely laminar branch (CD
.0033 where .0078 is right), single or over a whole stretch. Its drag must not jump off both its
neighbours, up or down (CD .0041 between .0084 and .0108), unless the plate's drag follows it down,
as it does in a laminar bucket. Its lift must not fall off both its neighbours towards zero. Stall,
a jump that the next point shares or a peak of the lift, passes.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float

Values = Float[np.ndarray, " points"]

PLATE_SHARE: Final = 0.88
DRAG_JUMP: Final = 0.30
LIFT_JUMP: Final = 0.15
REACH_DEG: Final = 2.3


def flat_plate_drag(xtr_top: Values, xtr_bottom: Values, reynolds: Values | float) -> Values:
    """Return the friction drag of a plate, laminar up to each transition and turbulent behind.

    Blasius' momentum thickness up to transition; behind it d theta/dx = .0128 Re_theta^(-1/4)
    (Schlichting, "Boundary-Layer Theory", for Re_theta up to some thousands).

    Args:
        xtr_top: Transition on the upper side, x/c.
        xtr_bottom: Transition on the lower side, x/c.
        reynolds: Reynolds number on the chord.
    """
    thickness = np.zeros_like(xtr_top)
    for xtr in (xtr_top, xtr_bottom):
        laminar = 0.664 * np.sqrt(np.clip(xtr, 0.0, 1.0) / reynolds)
        growth = 1.25 * 0.0128 * reynolds**-0.25 * np.clip(1.0 - xtr, 0.0, 1.0)
        thickness = thickness + (laminar**1.25 + growth) ** 0.8
    return 2.0 * thickness


def false_convergence(
    *,
    alpha_deg: Values,
    cl: Values,
    cd: Values,
    xtr_top: Values,
    xtr_bottom: Values,
    reynolds: float,
) -> tuple[str, ...]:
    """Judge the points of one sweep, in any order; NaN points are passed over.

    Returns:
        One string a point: why it is false, or the empty string.
    """
    reasons = [""] * len(alpha_deg)
    known = np.flatnonzero(np.isfinite(cl) & np.isfinite(cd) & (cd > 0))
    order = known[np.argsort(alpha_deg[known])]
    excess = cd[order] / flat_plate_drag(xtr_top[order], xtr_bottom[order], reynolds)
    for k in np.flatnonzero(excess < PLATE_SHARE):
        reasons[order[k]] = (
            f"false convergence: cd {cd[order[k]]:.5f} is {excess[k]:.2f} of a flat plate's"
        )
    sound = order[excess >= PLATE_SHARE]
    log_excess = np.log(excess[excess >= PLATE_SHARE])
    lift, drag = cl[sound], np.log(cd[sound])
    near = np.diff(alpha_deg[sound]) <= REACH_DEG
    for k in range(1, len(sound) - 1):
        if near[k - 1] and near[k]:
            three = slice(k - 1, k + 2)
            reasons[sound[k]] = _jump(lift[three], drag[three], log_excess[three])
    return tuple(reasons)


def _jump(lift: Values, drag: Values, log_excess: Values) -> str:
    """Return why the middle one of three points jumps off its neighbours, or the empty string."""
    drag_off, lift_off, excess_off = _off(drag), _off(lift), _off(log_excess)
    if drag_off > DRAG_JUMP or (drag_off < -DRAG_JUMP and excess_off < -0.5 * DRAG_JUMP):
        return f"false convergence: cd {np.exp(drag[1]):.5f} jumps off its neighbours"
    if abs(lift_off) > LIFT_JUMP and lift_off * (lift[0] + lift[2]) < 0:
        return f"false convergence: cl {lift[1]:.4f} jumps off its neighbours"
    return ""


def _off(three: Values) -> float:
    """Return by how much the middle value lies outside its neighbours; 0 in between."""
    low, high = min(three[0], three[2]), max(three[0], three[2])
    return float(max(three[1] - high, 0.0) + min(three[1] - low, 0.0))
