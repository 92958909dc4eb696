"""Pretexts of sections with their flows: match the flow, or predict it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from formwright.datasets.cases import Case
from formwright.surrogate.airfoils.conditioned import Conditioned
from formwright.surrogate.airfoils.flow_encoder import AnswerStandard, FlowEncoder, FlowStandard
from formwright.surrogate.airfoils.flows import Flows
from formwright.surrogate.encoder import each_image
from formwright.surrogate.objectives.compare import compare
from formwright.surrogate.objectives.loss import Loss
from formwright.surrogate.objectives.objective import Symmetric
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.pretraining.heads import projector
from formwright.surrogate.training.distributed import total, world


@dataclass(frozen=True, kw_only=True, slots=True)
class FlowMatch:
    """Joint embedding of (section, condition) with the flow at that condition.

    Attributes:
        kind: Its name in a configuration file.
        objective: Compares the two embeddings.
        projector: Width of the projectors' hidden layer and output.
    """

    kind: Literal["flow-match"] = "flow-match"
    objective: Symmetric = field(default_factory=VICReg)
    projector: int = 256

    def build(self, network: Any, data: Any, sample: Case | None = None) -> FlowMatching:
        """Return the two branches with their projectors."""
        return FlowMatching(self, network, data)


@dataclass(frozen=True, kw_only=True, slots=True)
class FlowPredict:
    """Regression of the flow at the condition: the cheap solver as a teacher.

    Attributes:
        kind: Its name in a configuration file.
        answers: Weight of the solver's own labels, where the flows hold them (a label of the cheap
            rung, none of the expensive one); 0 looks at the flow alone.
    """

    kind: Literal["flow-predict"] = "flow-predict"
    answers: float = 1.0

    def build(self, network: Any, data: Any, sample: Case | None = None) -> FlowPrediction:
        """Return the network with a linear read-out of the flow."""
        return FlowPrediction(self, network, data)


class FlowMatching(nn.Module):
    """Networks of ``FlowMatch``."""

    two_views = False
    copies = 1

    def __init__(self, pretext: FlowMatch, network: Conditioned, flows: Flows) -> None:
        super().__init__()
        self.network, self.objective = network, pretext.objective
        half = network.width // network.images
        self.flow = FlowEncoder(flows, half)
        self.project = projector(half, pretext.projector)
        self.project_flow = projector(half, pretext.projector)

    def forward(self, a: Case, b: Case, generator: torch.Generator) -> Loss:
        """Compare the section of ``a`` with the flow of ``b``, at each operating point."""
        za = self.project(self.embedding(a))
        zb = self.project_flow(each_image(self.flow(b), self.network.images))
        return compare(self.objective, za, zb, generator)

    def embedding(self, batch: Case) -> Float[Tensor, "rows width"]:
        """Return what is watched for collapse."""
        return each_image(self.network(batch), self.network.images)

    def after_update(self, done: float) -> None:
        """Do nothing: there is no slow copy."""


class FlowPrediction(nn.Module):
    """Networks of ``FlowPredict``."""

    two_views = False
    copies = 1

    def __init__(self, pretext: FlowPredict, network: Conditioned, flows: Flows) -> None:
        super().__init__()
        self.network = network
        self.flow = FlowStandard(flows)
        self.weight = pretext.answers if flows.answers else 0.0
        width = network.width // network.images
        if self.weight:
            self.answer = AnswerStandard(flows)
            self.answer_read_out = nn.Linear(width, len(flows.answers))
        self.read_out = nn.Linear(width, self.flow.fields * self.flow.stations)

    def forward(self, a: Case, b: Case, generator: torch.Generator) -> Loss:
        """Compare the prediction from the section of ``a`` with the flow of ``b``."""
        vector = self.embedding(a)
        predicted = self.read_out(vector).unflatten(-1, (self.flow.fields, -1))
        top, bottom = self.flow(b).chunk(2, -1)
        flow = _mean_error(predicted, torch.cat([top.flip(-1), bottom]), 0.5)
        if not self.weight:
            return Loss(flow, {"flow": flow})
        answers = _mean_error(self.answer_read_out(vector), self.answer(b), 0.05)
        return Loss(flow + self.weight * answers, {"flow": flow, "answers": answers})

    def embedding(self, batch: Case) -> Float[Tensor, "rows width"]:
        """Return what is watched for collapse."""
        return each_image(self.network(batch), self.network.images)

    def after_update(self, done: float) -> None:
        """Do nothing: there is no slow copy."""


def _mean_error(output: Tensor, goal: Tensor, beta: float) -> Float[Tensor, ""]:
    """Return the smooth L1 over the batch of all processes."""
    return total(functional.smooth_l1_loss(output.to(goal), goal, beta=beta)) / world()
