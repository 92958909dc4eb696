"""What few labels reach without pretraining: hand-made features, random features, the mean."""

from __future__ import annotations

import torch
from _label_data import JUDGED, Part
from jaxtyping import Float
from torch import Tensor, nn

from formwright.surrogate.airfoils.conditioned import Conditioned
from formwright.surrogate.airfoils.polar import LABELS
from formwright.surrogate.objectives.loss import Loss
from formwright.surrogate.training.loop import TrainConfig, train

RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


def mean_errors(train_part: Part, test: Part) -> Tensor:
    """Return the errors of the mean of the training labels."""
    return test.points.targets - train_part.points.targets.nanmean(0)


def ridge_errors(features: dict[str, Tensor], parts: dict[str, Part]) -> Tensor:
    """Return test errors of ridge regression, its weight chosen on the validation split."""
    centre, spread = features["train"].mean(0), features["train"].std(0).clamp_min(1e-6)
    ready = {k: _with_one((v - centre) / spread) for k, v in features.items()}
    target = {k: part.points.targets.double() for k, part in parts.items()}
    gram, moment = ready["train"].T @ ready["train"], ready["train"].T @ target["train"]
    best: tuple[float, Tensor] | None = None
    for ridge in RIDGES:
        penalty = ridge * len(ready["train"]) * torch.eye(len(gram), dtype=torch.float64)
        weights = torch.linalg.solve(gram + penalty, moment)
        error = (ready["validation"] @ weights - target["validation"]).abs().mean(0)
        judged = float(sum(error[LABELS.index(name)] for name in JUDGED))
        if best is None or judged < best[0]:
            best = judged, ready["test"] @ weights - target["test"]
    assert best is not None
    return best[1].float()


def _with_one(x: Tensor) -> Tensor:
    """Return the features with a column of ones."""
    return torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1)


def hand_features(part: Part) -> Float[Tensor, "points features"]:
    """Return CST weights and conditions with all their products of two."""
    alpha, speed, ncrit = part.conditions.double().unbind(1)
    conditions = [alpha / 8, (speed - 13.5) / 1.5, (ncrit - 8) / 3, (alpha / 8) ** 3]
    x = torch.cat([5 * part.cst.double(), torch.stack(conditions, 1)], 1)
    i, j = torch.triu_indices(x.shape[1], x.shape[1])
    return torch.cat([x, x[:, i] * x[:, j]], 1)


def frozen_features(network: Conditioned, part: Part) -> Float[Tensor, "points width"]:
    """Return the trunk's vectors of every point, in the order of the labels."""
    with torch.no_grad():
        batch, _ = part.points.batch(torch.arange(len(part)))
        return network(batch).double()


class HandMLP(nn.Module):
    """A perceptron on CST weights and conditions: what one would build first."""

    def __init__(self, width: int = 192) -> None:
        """Build three hidden layers."""
        super().__init__()
        sizes = [18 + 5, width, width, width]
        layers: list[nn.Module] = []
        for before, after in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(before, after), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(width, len(LABELS)))

    def forward(self, part: Part) -> Float[Tensor, "points labels"]:
        """Predict every point on the scale of training."""
        alpha, speed, ncrit = part.conditions.unbind(1)
        turned = torch.deg2rad(alpha)
        conditions = [6 * turned.sin(), 40 * (1 - turned.cos()) - 0.5]
        conditions += [(speed - 13.5) / 1.5, ((speed - 13.5) / 1.5) ** 2 - 1, (ncrit - 8) / 3]
        return self.layers(torch.cat([5 * part.cst, torch.stack(conditions, 1)], 1))


def train_hand_mlp(part: Part, config: TrainConfig, huber: float, sections: int) -> HandMLP:
    """Train the perceptron as the network is trained."""
    torch.manual_seed(config.seed)
    model = HandMLP()
    weights = torch.tensor([1.0, 1.0, 1.0, 0.5, 0.5])

    def step_loss(model: HandMLP, step: int, generator: torch.Generator) -> Loss:
        few = part.select(torch.randperm(len(part), generator=generator)[:sections])
        error = nn.functional.smooth_l1_loss(
            model(few), few.points.targets, beta=huber, reduction="none"
        ).mean(0)
        return Loss((error * weights).sum(), {})

    result = train(model, step_loss, config, progress=False)
    return result.averaged if isinstance(result.averaged, HandMLP) else model
