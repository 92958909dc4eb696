"""The one container: every case is a ``torch_geometric.data.Data``.

A section is a ring of points with its operating points, all of them attributes of one ``Data``:

===================  ==========  =================================================================
attribute            shape       meaning and unit
===================  ==========  =================================================================
``pos``              (P, 2)      contour, upper trailing edge -> nose -> lower, in chords
``alpha_deg``        (M,)        incidence, degrees
``reynolds``         (M,)        Reynolds number on the chord
``ncrit``            (M,)        critical amplification exponent of the e^N method
``mach``             (M,)        Mach number
``condition_batch``  (M,)        the case that each operating point belongs to (0 in a single case)
===================  ==========  =================================================================

Labels are attributes of shape (M,), fields of shape (M, S). PyG's own collation joins cases into a
batch: ``batch`` and ``ptr`` index points, ``condition_batch`` indexes operating points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data


@dataclass(frozen=True, slots=True)
class Quantity:
    """A condition or a label: its name (an attribute of the case), its unit, what it is."""

    name: str
    unit: str
    meaning: str


CONDITIONS: Final = (
    Quantity("alpha_deg", "deg", "incidence of the section's x axis to the free stream"),
    Quantity("reynolds", "1", "Reynolds number based on the chord"),
    Quantity("ncrit", "1", "critical amplification exponent of the e^N transition criterion"),
    Quantity("mach", "1", "free-stream Mach number"),
)
DEFAULT_NCRIT: Final = 9.0
DEFAULT_MACH: Final = 0.0


def sections_batch(
    pos: Float[Tensor, "cases points 2"],
    conditions: Mapping[str, Float[Tensor, "cases conditions"]],
) -> Data:
    """Join sections with equally many points and operating points into one batch.

    Args:
        pos: Contours, in chords.
        conditions: ``alpha_deg`` and ``reynolds``, and where they are not the defaults ``ncrit``
            and ``mach``; each of shape (cases, conditions).

    Returns:
        A ``Data`` as PyG's collation would give it; gradients flow to every argument.
    """
    n_cases, n_points = pos.shape[:2]
    alpha = conditions["alpha_deg"]
    values = {
        "ncrit": torch.full_like(alpha, DEFAULT_NCRIT),
        "mach": torch.full_like(alpha, DEFAULT_MACH),
        **conditions,
    }
    case = torch.arange(n_cases, device=pos.device)
    return Data(
        pos=pos.reshape(-1, 2),
        batch=case.repeat_interleave(n_points),
        ptr=torch.arange(n_cases + 1, device=pos.device) * n_points,
        condition_batch=case.repeat_interleave(alpha.shape[1]),
        **{name: value.reshape(-1) for name, value in values.items()},
    )


def section_case(
    pos: Float[Tensor, "points 2"], conditions: Mapping[str, Float[Tensor, " conditions"]]
) -> Data:
    """Return one section with its operating points as a case (a batch of one).

    Example:
        >>> import formwright, torch
        >>> alpha = torch.tensor([0.0, 4.0])
        >>> conditions = {"alpha_deg": alpha, "reynolds": torch.full((2,), 1e6)}
        >>> case = formwright.section_case(formwright.load_section("e387").pos, conditions)
        >>> case.ncrit
        tensor([9., 9.])
    """
    return sections_batch(pos[None], {name: value[None] for name, value in conditions.items()})
