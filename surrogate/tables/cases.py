"""Rows of a table as cases: numbers as they are, a choice as one number a word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from formwright.datasets.cases import Batch
from formwright.datasets.errors import ConditionError
from formwright.datasets.own.table import Column, OwnTable


@dataclass(frozen=True, kw_only=True, slots=True)
class TableCases:
    """Rows in memory.

    Attributes:
        x: Inputs, in their own units; words of a choice are 0 or 1, one column each.
        labels: By name, one number a row.
        groups: Of every row.
    """

    x: Float[Tensor, "rows features"]
    labels: Mapping[str, Float[Tensor, " rows"]]
    groups: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.x)

    def batch(self, rows: Int[Tensor, " cases"]) -> Batch:
        """Return some rows as a batch."""
        return Batch(x=self.x[rows], **{name: y[rows] for name, y in self.labels.items()})

    def select(self, rows: Int[Tensor, " cases"]) -> TableCases:
        """Return some of the rows."""
        return TableCases(
            x=self.x[rows],
            labels={name: y[rows] for name, y in self.labels.items()},
            groups=tuple(self.groups[i] for i in rows.tolist()),
        )


def width_of(inputs: Sequence[Column]) -> int:
    """Return how many numbers a row makes."""
    return sum(len(column.choices) or 1 for column in inputs)


def features(
    inputs: Sequence[Column], values: Mapping[str, np.ndarray]
) -> Float[Tensor, "rows features"]:
    """Return columns as numbers.

    Raises:
        ConditionError: A word that is none of the choices.
    """
    parts = []
    for column in inputs:
        given = np.asarray(values[column.name])
        if not column.choices:
            parts.append(torch.from_numpy(given.astype(np.float64)).float()[:, None])
            continue
        strange = [str(word) for word in given if str(word) not in column.choices]
        if strange:
            raise ConditionError(
                f"{column.name} = {strange[0]!r} is none of its choices in training: "
                f"{', '.join(column.choices)}."
            )
        hot = [[float(str(word) == one) for one in column.choices] for word in given]
        parts.append(torch.tensor(hot).reshape(len(given), -1))
    return torch.cat(parts, 1)


def cases_of(table: OwnTable) -> TableCases:
    """Return a part of a table as cases."""
    labels = {
        one.name: torch.from_numpy(table.values[one.name].astype(np.float64)).float()
        for one in table.labels
    }
    return TableCases(x=features(table.inputs, table.values), labels=labels, groups=table.groups)
