"""What a label costs without learning a representation: ridge, PCA, a Gaussian process.

All predict one label from features, on the scale of the label. Nothing here looks at a test split:
what is chosen is chosen on the validation part that is passed in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.surrogate.process import fit_process

RIDGES: Final = tuple(10.0**power for power in range(-6, 3))
COMPONENTS: Final = (4, 8, 16, 32, 64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """Features and a label, row by row.

    Attributes:
        features: Any numbers.
        label: One a row.
    """

    features: Float[Tensor, "rows features"]
    label: Float[Tensor, " rows"]

    def take(self, index: Tensor) -> Rows:
        """Return some of the rows."""
        return Rows(features=self.features[index], label=self.label[index])


def ridge(few: Rows, validation: Rows, test: Rows) -> Float[Tensor, " test_rows"]:
    """Predict ``test`` by ridge regression on ``few``, the penalty chosen on ``validation``.

    Features are standardised over ``few``; the penalty is relative to the number of rows.
    """
    x, others = _standard(few.features, validation.features, test.features)
    centre = few.label.double().mean()
    left, values, right = torch.linalg.svd(x, full_matrices=False)
    moment = left.T @ (few.label.double() - centre)
    best, answer = math.inf, others[1].new_zeros(len(others[1]))
    for penalty in RIDGES:
        weights = right.T @ (values / (values.square() + penalty * len(x)) * moment)
        error = float((others[0] @ weights + centre - validation.label).square().mean())
        if error < best:
            best, answer = error, others[1] @ weights + centre
    return answer


def pca_ridge(
    raw: Float[Tensor, "cases raw"], few: Rows, validation: Rows, test: Rows
) -> Float[Tensor, " test_rows"]:
    """Predict by ridge on principal components of the raw inputs, their number by validation.

    Args:
        raw: Inputs of the unlabeled cases, from which the components are taken.
        few: Labelled rows; their features are raw inputs too.
        validation: Where number and penalty are chosen.
        test: What is predicted.
    """
    centre = raw.double().mean(0)
    count = min(len(raw), 4096)
    _, _, axes = torch.linalg.svd(raw[:count].double() - centre, full_matrices=False)
    best, answer = math.inf, test.label.double()
    for components in (c for c in COMPONENTS if c <= len(axes)):
        known, judged, requested = (
            Rows(features=(part.features.double() - centre) @ axes[:components].T, label=part.label)
            for part in (few, validation, test)
        )
        error = float((ridge(known, judged, judged) - validation.label).square().mean())
        if error < best:
            best, answer = error, ridge(known, judged, requested)
    return answer


def smooth_or_straight(few: Rows, validation: Rows, test: Rows) -> Float[Tensor, " test_rows"]:
    """Predict by a Gaussian process or by ridge regression, whichever ``validation`` prefers.

    From fewer rows than features the lengths of a process are not determined, and its answer falls
    back to the mean; ridge regression then still follows what is straight.

    Args:
        few: Labelled rows.
        validation: What chooses.
        test: What is predicted; its label is not looked at.
    """
    both = Rows(
        features=torch.cat([validation.features, test.features]),
        label=torch.cat([validation.label, test.label]),
    )
    count = len(validation.label)
    answers = (gaussian_process(few, both), ridge(few, validation, both))
    errors = [float((x[:count] - validation.label).square().mean()) for x in answers]
    return answers[errors.index(min(errors))][count:]


def gaussian_process(few: Rows, test: Rows, steps: int = 60) -> Float[Tensor, " test_rows"]:
    """Predict by a Gaussian process (``process.fit_process``).

    Args:
        few: Labelled rows.
        test: What is predicted; its label is not looked at.
        steps: Of L-BFGS.
    """
    x, (at,) = _standard(few.features, test.features)
    return fit_process(x, few.label, steps)(at)


def _standard(x: Tensor, *others: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Return features of mean 0 and deviation 1 over ``x``; those that do not vary are dropped."""
    first = x.double()
    centre, spread = first.mean(0), first.std(0)
    varying = spread > 1e-9 * spread.max().clamp_min(1e-300)
    ready = [((part.double() - centre) / spread.clamp_min(1e-300))[:, varying] for part in others]
    return ((first - centre) / spread.clamp_min(1e-300))[:, varying], ready
