"""What pretraining asks of a network: three questions that unlabeled flows answer.

=================  ===============================================================================
``FlowMatch``      embed section and condition where the flow at that condition is embedded
``ContourMatch``   embed two views of a section at one place; looks at no flow
``FlowPredict``    predict the flow at the condition, station by station
=================  ===============================================================================

The mirror is built into the networks: every case counts as itself and as its mirror image.

A pretext is a value. Its ``build`` adds the networks that are needed only while pretraining; what
they return, called with two views of a batch, is a ``Loss``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.data import Data

from formwright.surrogate.encoders.conditioned import Conditioned
from formwright.surrogate.encoders.flow import FlowEncoder, FlowStandard
from formwright.surrogate.flows import Flows
from formwright.surrogate.objectives.barlow import BarlowTwins
from formwright.surrogate.objectives.loss import Loss
from formwright.surrogate.objectives.sigreg import LeJEPA
from formwright.surrogate.objectives.simclr import SimCLR
from formwright.surrogate.objectives.vicreg import VICReg

Objective = VICReg | BarlowTwins | SimCLR | LeJEPA


@dataclass(frozen=True, kw_only=True, slots=True)
class FlowMatch:
    """Joint embedding of (section, condition) with the flow at that condition.

    Attributes:
        objective: Compares the two embeddings.
        projector: Width of the projectors' hidden layer and output.
    """

    objective: Objective = field(default_factory=VICReg)
    projector: int = 256

    def build(self, network: Conditioned, flows: Flows) -> FlowMatching:
        """Return the two branches with their projectors."""
        return FlowMatching(self, network, flows)


@dataclass(frozen=True, kw_only=True, slots=True)
class ContourMatch:
    """Two views of one section, embedded at one place; only the encoder is trained.

    Attributes:
        objective: Compares the two embeddings.
        projector: Width of the projector's hidden layer and output.
    """

    objective: Objective = field(default_factory=VICReg)
    projector: int = 256

    def build(self, network: Conditioned, flows: Flows) -> ContourMatching:
        """Return the encoder with its projector."""
        return ContourMatching(self, network)


@dataclass(frozen=True, kw_only=True, slots=True)
class FlowPredict:
    """Regression of the flow at the condition: the cheap solver as a teacher."""

    def build(self, network: Conditioned, flows: Flows) -> FlowPrediction:
        """Return the network with a linear read-out of the flow."""
        return FlowPrediction(network, flows)


Pretext = FlowMatch | ContourMatch | FlowPredict


class FlowMatching(nn.Module):
    """Networks of ``FlowMatch``."""

    two_contours = False

    def __init__(self, pretext: FlowMatch, network: Conditioned, flows: Flows) -> None:
        super().__init__()
        self.network, self.objective = network, pretext.objective
        half = network.width // 2
        self.flow = FlowEncoder(flows, half)
        self.project = _projector(half, pretext.projector)
        self.project_flow = _projector(half, pretext.projector)

    def forward(self, a: Data, b: Data, generator: torch.Generator) -> Loss:
        """Compare the section of ``a`` with the flow of ``b``, at each operating point."""
        za = self.project(_images(self.network(a)))
        zb = self.project_flow(_images(self.flow(b)))
        return self.objective(za, zb, generator)

    def embedding(self, batch: Data) -> Float[Tensor, "rows width"]:
        """Return what is watched for collapse."""
        return _images(self.network(batch))


class ContourMatching(nn.Module):
    """Networks of ``ContourMatch``."""

    two_contours = True

    def __init__(self, pretext: ContourMatch, network: Conditioned) -> None:
        super().__init__()
        self.encoder, self.objective = network.encoder, pretext.objective
        self.project = _projector(network.encoder.width // 2, pretext.projector)

    def forward(self, a: Data, b: Data, generator: torch.Generator) -> Loss:
        """Compare the sections of ``a`` with those of ``b``."""
        za, zb = (self.project(_images(self.encoder(view).per_case)) for view in (a, b))
        return self.objective(za, zb, generator)

    def embedding(self, batch: Data) -> Float[Tensor, "rows width"]:
        """Return what is watched for collapse."""
        return _images(self.encoder(batch).per_case)


class FlowPrediction(nn.Module):
    """Networks of ``FlowPredict``."""

    two_contours = False

    def __init__(self, network: Conditioned, flows: Flows) -> None:
        super().__init__()
        self.network = network
        self.flow = FlowStandard(flows)
        self.read_out = nn.Linear(network.width // 2, self.flow.fields * self.flow.stations)

    def forward(self, a: Data, b: Data, generator: torch.Generator) -> Loss:
        """Compare the prediction from the section of ``a`` with the flow of ``b``."""
        said = self.read_out(_images(self.network(a))).unflatten(-1, (self.flow.fields, -1))
        top, bottom = self.flow(b).chunk(2, -1)
        error = functional.smooth_l1_loss(said, torch.cat([top.flip(-1), bottom]), beta=0.5)
        return Loss(error, {"flow": error})

    def embedding(self, batch: Data) -> Float[Tensor, "rows width"]:
        """Return what is watched for collapse."""
        return _images(self.network(batch))


def _images(z: Float[Tensor, "rows width"]) -> Float[Tensor, "twice half"]:
    """Return own halves, then those of the mirror images: every case counts twice."""
    return torch.cat(z.chunk(2, -1))


def _projector(width: int, hidden: int) -> nn.Sequential:
    """Return width -> hidden -> hidden with batch normalisation between."""
    return nn.Sequential(
        nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, hidden)
    )
