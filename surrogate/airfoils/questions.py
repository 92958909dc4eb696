"""What is asked of a surrogate of sections: any sections at any conditions, row by row."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from formwright.datasets.airfoils.sections import Section, SectionLike, section_list
from formwright.datasets.cases import Quantity
from formwright.datasets.conditions import outside
from formwright.datasets.errors import ConditionError
from formwright.datasets.solvers.result import POLAR_FIELDS, stations
from formwright.surrogate.table import Table, flagged
from formwright.surrogate.uncertainty.support import add_remarks

Sections: TypeAlias = Any
"""One section or many: what ``section_list`` takes."""
Numbers: TypeAlias = Any
"""A number, or a list, an array, a tensor or a column of numbers."""
CASE: Final = "case"
POINT: Final = "point"


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """Sections and conditions as rows, and the shape that the answer is to have.

    Attributes:
        sections: As given.
        index: Of each row, which section.
        conditions: By name, of each row.
        shape: Of the answer; its elements are the rows.
        dims: What its axes are.
    """

    sections: list[SectionLike]
    index: Int[np.ndarray, " rows"]
    conditions: dict[str, Float[np.ndarray, " rows"]]
    shape: tuple[int, ...]
    dims: tuple[str, ...]

    def answer(
        self,
        labels: tuple[Quantity, ...],
        columns: Mapping[str, np.ndarray],
        fields: Mapping[str, np.ndarray],
        own: Mapping[str, Float[np.ndarray, " rows"]],
        ranges: Mapping[str, tuple[float, float]],
        *,
        quantities: tuple[Quantity, ...] = POLAR_FIELDS,
        axes: Mapping[str, str] | None = None,
    ) -> Table:
        """Return what was said of the rows in the shape of what was asked.

        Args:
            labels: What is predicted.
            columns: Of the rows, (rows,).
            fields: Of the rows, (rows, stations).
            own: The conditions as the network saw them.
            ranges: Where the training data lies.
            quantities: What the fields are.
            axes: Name of the last axis of each field; they are at ``stations()`` if None.
        """
        told = outside(own, ranges)
        add_remarks(told, columns, range(len(self.index)))
        names = np.array([name_of(one) for one in self.sections], dtype=object)
        about = {"section": names[self.index], **self.conditions}
        return Table(
            labels=labels,
            columns={name: values.reshape(self.shape) for name, values in columns.items()},
            flags=flagged(self.shape, told),
            about={name: values.reshape(self.shape) for name, values in about.items()},
            dims=self.dims,
            quantities=quantities if fields else (),
            fields={
                name: predicted.reshape(*self.shape, predicted.shape[1])
                for name, predicted in fields.items()
            },
            stations=stations() if fields and axes is None else None,
            axes=axes or {},
        )


def question(sections: Sections, conditions: Mapping[str, Numbers]) -> Question:
    """Return what is asked, row by row.

    One section has the shape of its conditions, broadcast. A list of N has the shape (N,) where
    every condition is one number, else (N, M).

    Raises:
        SectionError: Something is no section by its type.
        ConditionError: Conditions that are no numbers, or whose shapes do not fit.
    """
    listed, alone = section_list(sections)
    arrays = {name: _array(name, values) for name, values in conditions.items()}
    shape = _shape(None if alone else len(listed), arrays)
    per_section = int(np.prod(shape if alone else shape[1:]))
    free = len(shape) - (not alone)
    points = (POINT,) if free == 1 else tuple(f"{POINT}_{i}" for i in range(free))
    return Question(
        sections=listed,
        index=np.repeat(np.arange(len(listed)), per_section),
        conditions={name: _filled(array, shape) for name, array in arrays.items()},
        shape=shape,
        dims=points if alone else (CASE, *points),
    )


def name_of(section: SectionLike) -> str:
    """Return what a section is called in a table."""
    if isinstance(section, str):
        return section
    if isinstance(section, os.PathLike):
        return str(os.fspath(section))
    if isinstance(section, np.ndarray | Tensor):
        return "points" if section.ndim == 2 else "cst"
    return section.name if isinstance(section, Section) else str(getattr(section, "name", "points"))


def _array(name: str, values: Numbers) -> Float[np.ndarray, ...]:
    """Return a condition as numbers.

    Raises:
        ConditionError: It is none.
    """
    if isinstance(values, Tensor):
        return values.detach().cpu().double().numpy()
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConditionError(
            f"{name} = {str(values)[:80]!r}, of type {type(values).__name__}, holds no numbers of "
            f"one shape ({error}). Give a number, or a list, an array or a tensor of numbers."
        ) from error


def _shape(sections: int | None, arrays: Mapping[str, np.ndarray]) -> tuple[int, ...]:
    """Return the shape of the answer; of one section alone for None.

    Raises:
        ConditionError: The shapes of the conditions do not fit.
    """
    given = [array.shape for array in arrays.values()]
    n = sections
    if n is not None and not any(given):
        return (n,)
    try:
        shape = np.broadcast_shapes(*given, *([] if n is None else [(n, 1)]))
        if n is None or (len(shape) == 2 and shape[0] == n):
            return shape
    except ValueError:
        pass
    shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
    if n is None:
        raise ConditionError(f"conditions of shapes {shapes} do not broadcast against each other.")
    raise ConditionError(
        f"conditions of shapes {shapes} do not broadcast to ({n}, M) for {n} sections: give "
        "(M,) for all sections, (N, 1) for one a section, or (N, M)."
    )


def _filled(array: np.ndarray, shape: tuple[int, ...]) -> Float[np.ndarray, " rows"]:
    """Return a condition of every row."""
    return np.broadcast_to(array, shape).reshape(-1)
