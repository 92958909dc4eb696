"""Exact derivatives of objective and constraints at one design, for optimisers that want them all.

The chain rule is split where design meets learning::

    dv/dx = (dv/dx)_prediction  +  sum_p (dv/dp) (dp/dx)

``v`` is the objective above all constraints, ``p`` every number of the prediction that some ``v``
looks at. All rows of a factor come from one ordinary backward pass: the design is repeated, one
copy a row, and row i asks only for the gradient of entry i. So nothing more is asked of a space, a
surrogate or a constraint than that the designs of a batch do not see each other, and the surrogate
is not run for geometry's sake.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from formwright.datasets.cases import CONDITIONS, Case
from formwright.design.optimise.memory import Memory
from formwright.design.problem import Evaluation, Problem, evaluate, judge
from formwright.surrogate.model import Prediction
from formwright.surrogate.uncertainty.support import SUPPORT

Entry = tuple[str, str]
PARTS = ("mean", "std", "lower", "upper")


@dataclass(slots=True)
class Derivatives:
    """Values and Jacobians of a problem at single designs, the last one remembered.

    Attributes:
        problem: The problem.
        memory: What was answered before, and what is answered now.
        evaluations: Designs asked about so far.
    """

    problem: Problem
    memory: Memory = field(default_factory=Memory)
    evaluations: int = 0
    _key: bytes = b""
    _value: Float[np.ndarray, " rows"] | None = None
    _prediction: Prediction | None = None
    _jacobian: Float[np.ndarray, "rows parameters"] | None = None

    def values(self, x: Float[np.ndarray, " parameters"]) -> Float[np.ndarray, " rows"]:
        """Return the objective, then all constraints."""
        key = x.tobytes()
        if key != self._key or self._value is None:
            self._key, self._prediction, self._jacobian = key, None, None
            self._value = self.memory.read(x, 1)
            if self._value is None:
                self._value = self._predicted(x)
                self.memory.write(x, self._value)
            self.evaluations += 1
        return self._value

    def jacobian(self, x: Float[np.ndarray, " parameters"]) -> Float[np.ndarray, "rows parameters"]:
        """Return the derivative of ``values`` with respect to ``x``."""
        rows = len(self.values(x))
        if self._jacobian is None:
            self._jacobian = self.memory.read(x, 2)
        if self._jacobian is None:
            if self._prediction is None:
                self._predicted(x)
            assert self._prediction is not None
            found = jacobian(self.problem, torch.tensor(x), self._prediction, rows)
            self._jacobian = np.ascontiguousarray(found.numpy())
            self.memory.write(x, self._jacobian)
        return self._jacobian

    def _predicted(self, x: Float[np.ndarray, " parameters"]) -> Float[np.ndarray, " rows"]:
        """Return the values at ``x`` by the surrogate; its prediction is remembered."""
        with torch.no_grad():
            evaluation = evaluate(self.problem, torch.tensor(x)[None])
        self._prediction = evaluation.prediction
        return np.ascontiguousarray(_rows(evaluation)[0].numpy())


class Leaves(Mapping[str, Tensor]):
    """One part of a prediction, repeated for each copy of the design, a leaf for each label asked.

    Attributes:
        made: The leaves made so far.
    """

    def __init__(self, values: Mapping[str, Tensor], copies: int) -> None:
        """Repeat ``values`` ``copies`` times, each label when it is asked for."""
        self.values_once, self.copies = values, copies
        self.made: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        """Return the leaf of a label."""
        if name not in self.made:
            once = self.values_once[name].detach().to(torch.float64)
            self.made[name] = once.repeat(self.copies).requires_grad_(True)
        return self.made[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the labels."""
        return iter(self.values_once)

    def __len__(self) -> int:
        """Return the number of labels."""
        return len(self.values_once)


def jacobian(
    problem: Problem, x: Float[Tensor, " parameters"], prediction: Prediction, rows: int
) -> Float[Tensor, "rows parameters"]:
    """Return d(objective, constraints)/dx at one design.

    Args:
        problem: The problem.
        x: Parameters of the design.
        prediction: What the surrogate says of it.
        rows: One more than there are values of constraints.
    """
    direct, wanted = _direct(problem, x, prediction, rows)
    if not wanted:
        return direct
    entries = list(wanted)
    inner = _prediction_jacobian(problem, x, entries)
    outer = torch.cat([wanted[entry] for entry in entries], 1)
    return direct + outer @ inner


def _direct(
    problem: Problem, x: Float[Tensor, " parameters"], prediction: Prediction, rows: int
) -> tuple[Float[Tensor, "rows parameters"], dict[Entry, Float[Tensor, "rows points"]]]:
    """Return the derivatives at fixed prediction, and those with respect to the prediction."""
    copies = x.expand(rows, -1).clone().requires_grad_(True)
    parts = {part: Leaves(getattr(prediction, part), rows) for part in PARTS}
    far = {} if prediction.support is None else {SUPPORT: prediction.support}
    alone = Leaves(far, rows)
    repeated = replace(prediction, **parts, support=alone[SUPPORT] if far else None)
    with torch.enable_grad():
        table = _rows(judge(problem, problem.space.decode(copies), repeated))
        requested = table.diagonal().sum()
    leaves = {(part, name): leaf for part in PARTS for name, leaf in parts[part].made.items()}
    leaves |= {(SUPPORT, name): leaf for name, leaf in alone.made.items()}
    gradients = torch.autograd.grad(requested, [copies, *leaves.values()], allow_unused=True)
    direct = torch.zeros_like(copies) if gradients[0] is None else gradients[0]
    wanted = {
        entry: gradient.reshape(rows, -1)
        for entry, gradient in zip(leaves, gradients[1:], strict=True)
        if gradient is not None
    }
    return direct, wanted


def _prediction_jacobian(
    problem: Problem, x: Float[Tensor, " parameters"], entries: list[Entry]
) -> Float[Tensor, "outputs parameters"]:
    """Return the derivative of the wanted entries of the prediction, one row an operating point.

    The copy that answers for an operating point keeps only that one.
    """
    one = problem.space.decode(x[None])
    points = one.condition_batch.numel() if "condition_batch" in one else 1
    copies = x.expand(len(entries) * points, -1).clone().requires_grad_(True)
    point = torch.arange(points)
    with torch.enable_grad():
        case = problem.space.decode(copies)
        rows = torch.arange(len(copies)) * points + point.repeat(len(entries))
        prediction = problem.surrogate(_at_rows(case, rows))
        parts = [
            _entry(prediction, part, name)[i * points + point]
            for i, (part, name) in enumerate(entries)
        ]
        total = torch.cat([value.to(torch.float64) for value in parts]).sum()
    return torch.autograd.grad(total, copies)[0]


def _entry(prediction: Prediction, part: str, name: str) -> Tensor:
    """Return all numbers of an entry of a prediction."""
    found = getattr(prediction, part)
    return found if part == SUPPORT else found[name]


def _at_rows(batch: Case, rows: Int[Tensor, " kept"]) -> Case:
    """Return a batch that keeps only the given operating points, where its cases have several."""
    kept = copy(batch)
    names = (*(condition.name for condition in CONDITIONS), "condition_batch")
    for name in names if "condition_batch" in batch else ():
        kept[name] = batch[name][rows]
    return kept


def _rows(evaluation: Evaluation) -> Float[Tensor, "designs rows"]:
    """Return objective and constraints side by side."""
    return torch.cat([evaluation.objective[:, None], evaluation.constraints], 1)
