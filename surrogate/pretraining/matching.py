"""Joint embedding of two views of a case, for every encoder and every kind of data.

What an objective needs beside two embeddings is built here: projector, predictor, and the slow copy
that gives the targets of BYOL and JEPA. The predictor of JEPA is told the lag where both views are
windows of one run (their ``start``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from formwright.datasets.cases import Case
from formwright.surrogate.encoder import each_image, encoder_of
from formwright.surrogate.objectives.compare import Variance, compare
from formwright.surrogate.objectives.loss import Loss, Target
from formwright.surrogate.objectives.objective import Objective
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.pretraining.heads import Teacher, predictor, projector
from formwright.surrogate.training.distributed import BatchNorm


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewMatch:
    """Two views of one case, embedded at one place; only the encoder is trained.

    Good values: a projector of 1-4 times the width of the embedding (16-64 for LeJEPA and VISReg),
    none (0) for JEPA; ``times`` of 8 or more where the variance is within a run.

    Attributes:
        kind: Its name in a configuration file.
        objective: Compares the two embeddings.
        projector: Width of the projector's hidden layer and output; 0 compares the embeddings.
        predictor: Width of the predictor's hidden layer, where the objective has one.
        variance: Whether statistics are taken over different runs, or over times of one run.
        times: With ``within``, how many times of each run a batch holds.

    Example:
        >>> import formwright
        >>> formwright.ViewMatch(objective=formwright.SimCLR(), projector=64).kind
        'view-match'
    """

    kind: Literal["view-match"] = "view-match"
    objective: Objective = field(default_factory=VICReg)
    projector: int = 256
    predictor: int = 256
    variance: Variance = Variance.ACROSS
    times: int = 8

    def build(self, network: Any, data: Any, sample: Case | None = None) -> ViewMatching:
        """Return the encoder with what the objective needs."""
        return ViewMatching(self, network)


class ViewMatching(nn.Module):
    """Networks of ``ViewMatch``."""

    two_views = True

    def __init__(self, pretext: ViewMatch, network: nn.Module) -> None:
        super().__init__()
        self.encoder, self.objective = encoder_of(network), pretext.objective
        self.copies = pretext.times if pretext.variance is Variance.WITHIN else 1
        width = self.encoder.width // self.encoder.images
        self.project = projector(width, pretext.projector)
        out = pretext.projector or width
        self.lag = BatchNorm(1, affine=False)
        predicts = self.objective.predictor
        lagged = int(not self.objective.both_ways)
        self.predict = predictor(out + lagged, out, pretext.predictor) if predicts else None
        slow = self.objective.target is Target.AVERAGE
        online = [self.encoder, self.project]
        self.teacher = Teacher(online, self.objective.decay) if slow else None

    def forward(self, a: Case, b: Case, generator: torch.Generator) -> Loss:
        """Compare the cases of ``a`` with those of ``b``."""
        za = self.project(self.embedding(a))
        if self.predict is None and self.objective.both_ways:
            return self._compare(za, self._target(b), generator)
        assert self.predict is not None
        if not self.objective.both_ways:
            guess = self.predict(self._with_lag(za, a, b))
            return self._compare(guess, self._target(b), generator)
        zb = self.project(self.embedding(b))
        there = self._compare(self.predict(za), self._target(b, zb), generator)
        back = self._compare(self.predict(zb), self._target(a, za), generator)
        terms = {k: 0.5 * (value + back.terms[k]) for k, value in there.terms.items()}
        return Loss(there.total + back.total, terms)

    def embedding(self, batch: Case) -> Float[Tensor, "rows width"]:
        """Return what is watched for collapse."""
        return each_image(self.encoder(batch).per_case, self.encoder.images)

    def after_update(self, done: float) -> None:
        """Move the slow copy; ``done`` is the finished share of the training."""
        if self.teacher is not None:
            self.teacher.follow([self.encoder, self.project], done)

    def _compare(self, za: Tensor, zb: Tensor, generator: torch.Generator) -> Loss:
        """Return the loss over the batch of all processes."""
        return compare(self.objective, za, zb, generator, self.copies)

    def _target(self, batch: Case, online: Tensor | None = None) -> Float[Tensor, "rows width"]:
        """Return the embeddings that are compared with or predicted; ``online`` if computed."""
        if self.teacher is not None:
            with torch.no_grad():
                encoder, project = self.teacher.networks
                return project(each_image(encoder(batch).per_case, self.encoder.images))
        z = self.project(self.embedding(batch)) if online is None else online
        return z if self.objective.target is Target.SHARED else z.detach()

    def _with_lag(self, z: Tensor, a: Case, b: Case) -> Float[Tensor, "rows more"]:
        """Return the embeddings and beside them the standardised time from ``a`` to ``b``."""
        lag = z.new_zeros(len(z), 1)
        if "start" in a and "start" in b:
            between = (b["start"] - a["start"]).to(z).reshape(-1, 1)
            lag = self.lag(between.repeat(self.encoder.images, 1))
        return torch.cat([z, lag], 1)
