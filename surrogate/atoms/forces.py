"""Energies of a batch of structures with their exact gradients: forces and stresses.

With every position and cell vector stretched by (1 + e), dE/de_ab at e = 0 is

    sum_i r_ia dE/dr_ib + sum_k h_ka dE/dh_kb

over the atoms r and the cell vectors h, so one backward pass gives forces and stress.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.atoms.structures import case_of
from formwright.datasets.cases import Batch, Case
from formwright.surrogate.atoms.adsorption import LABEL, AdsorptionSurrogate
from formwright.surrogate.model import Prediction


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """Energies and their gradients, detached, float64.

    Attributes:
        energy: eV, (cases,).
        forces: Minus the gradient to the positions, eV/angstrom, (atoms, 3).
        stress: dE/de over the volume, eV/angstrom^3, positive where the cell pulls inwards, as ASE
            signs it, (cases, 3, 3); of a case without a cell, infinite or NaN.
        prediction: All that the surrogate says, with its intervals.
    """

    energy: Float[Tensor, " cases"]
    forces: Float[Tensor, "atoms 3"]
    stress: Float[Tensor, "cases 3 3"]
    prediction: Prediction


def respond(surrogate: AdsorptionSurrogate, batch: Case) -> Response:
    """Return energies, forces and stresses of a batch.

    Args:
        surrogate: Its network may be of either precision.
        batch: Structures; neighbours are found where it has none.
    """
    pos, cell = (batch[name].detach().double().requires_grad_() for name in ("pos", "cell"))
    copy = Batch.from_dict({**batch.to_dict(), "pos": pos, "cell": cell})
    with torch.enable_grad():
        prediction = surrogate(copy)
        energy = prediction[LABEL]
        slope, pull = torch.autograd.grad(energy.sum(), (pos, cell))
    with torch.no_grad():
        own = cell.mT @ pull
        each = pos[:, :, None] * slope[:, None, :]
        strained = own.index_add(0, case_of(batch), each)
        volume = torch.linalg.det(cell).abs()
        stress = 0.5 * (strained + strained.mT) / volume[:, None, None]
    return Response(
        energy=energy.detach().double(),
        forces=-slope,
        stress=stress,
        prediction=_detached(prediction),
    )


def _detached(prediction: Prediction) -> Prediction:
    """Return a prediction without its graph."""
    parts = {name: getattr(prediction, name) for name in ("mean", "std", "lower", "upper")}
    plain = {name: {k: v.detach() for k, v in part.items()} for name, part in parts.items()}
    support = None if prediction.support is None else prediction.support.detach()
    return replace(prediction, **plain, support=support)
