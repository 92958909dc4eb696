"""Views and pretexts of sections by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from formwright.surrogate.airfoils.flow_pretexts import FlowMatch, FlowPredict
from formwright.surrogate.airfoils.hiding import Arcs
from formwright.surrogate.airfoils.views import (
    Incidence,
    ManufacturingNoise,
    Mirror,
    PartialContour,
    Repanel,
)
from formwright.surrogate.objectives.objective import Objective, Symmetric
from formwright.surrogate.pretraining.choices import matched, projector_width
from formwright.surrogate.pretraining.denoising import Denoising
from formwright.surrogate.pretraining.masking import MaskedPrediction
from formwright.surrogate.pretraining.pretrain import Pretext
from formwright.surrogate.view import View

PRETEXTS: Final[Mapping[str, Pretext]] = {
    "masked": MaskedPrediction(hiding=Arcs()),
    "denoise": Denoising(sigma=2e-3, gradient=True, self_conditioned=True),
    "flow-predict": FlowPredict(),
    "flow-match": FlowMatch(),
}


def section_views(incidences: int = 4) -> dict[str, View]:
    """Return the views of sections; ``incidences`` operating points of each are kept."""
    views = (Repanel(), PartialContour(), Incidence(count=incidences), ManufacturingNoise())
    return {view.kind: view for view in (*views, Mirror())}


def matched_flow(objective: Objective) -> Pretext:
    """Return an objective with the flow as the other view, where it needs no predictor."""
    if isinstance(objective, Symmetric):
        return FlowMatch(objective=objective, projector=projector_width(objective))
    return matched(objective)
