"""A table of answers: what a surrogate says of many points, as arrays, as a data frame, as text."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final

import numpy as np

from formwright.datasets.cases import Quantity
from formwright.datasets.errors import ConfigError, UnknownNameError, did_you_mean
from formwright.surrogate.model import Prediction
from formwright.surrogate.uncertainty.conformal import LEVEL
from formwright.surrogate.uncertainty.support import SUPPORT

PARTS: Final = {"mean": "", "std": "_std", "lower": "_lower", "upper": "_upper"}
"""What is said of a label, and how its column ends."""
FLAG: Final = "flag"
_SHOWN: Final = 5
_SHOWN_IN_PAGE: Final = 10
_WIDEST: Final = 20
_LONGEST: Final = 160


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Table(Mapping[str, np.ndarray]):
    """The answers of a surrogate; a mapping from names of columns to arrays of one shape.

    ``table["cl"]`` is the mean, ``table["cl_std"]`` the standard deviation, ``table["cl_lower"]``
    and ``table["cl_upper"]`` are the ends of the interval at ``level`` (where the surrogate has
    intervals), ``table["support"]``, where
    the surrogate knows it, says how far a point is from what was learned (beyond 1 it is a guess).
    Fields have one axis more than the rest.

    Attributes:
        labels: What is predicted.
        columns: By name, float64, all of one shape.
        flags: Why a number is a guess, empty where it is none; text, of the same shape.
        about: What was asked: sections and conditions, or names; by name, of the same shape.
        dims: What the axes are.
        level: Coverage of the intervals.
        quantities: Of the fields: what they are.
        fields: By name, (..., stations); empty unless asked for.
        stations: Where the fields are; None without fields, or where they are not on stations.
        axes: Name of the last axis of each field; ``"station"`` where none is given.

    Example:
        >>> import formwright
        >>> table = formwright.load("airfoil-polar").predict("e387", alpha_deg=4.0, reynolds=1e6)
        >>> bool(table["cl_lower"] < table["cl"] < table["cl_upper"]), table.units["cl"]
        (True, '1')
    """

    labels: tuple[Quantity, ...]
    columns: Mapping[str, np.ndarray]
    flags: np.ndarray
    about: Mapping[str, np.ndarray]
    dims: tuple[str, ...]
    level: float = LEVEL
    quantities: tuple[Quantity, ...] = ()
    fields: Mapping[str, np.ndarray] = field(default_factory=dict)
    stations: np.ndarray | None = None
    axes: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a column or a field.

        Raises:
            UnknownNameError: There is none of that name.
        """
        result = self.columns.get(name)
        result = self.fields.get(name) if result is None else result
        if result is None:
            raise UnknownNameError(
                f"no column is called {name!r}.{did_you_mean(name, self)} There are: "
                f"{', '.join(self)}."
            )
        return result

    def __iter__(self) -> Iterator[str]:
        """Go through the names of the columns, then of the fields."""
        yield from self.columns
        yield from self.fields

    def __len__(self) -> int:
        """Return the number of columns and fields."""
        return len(self.columns) + len(self.fields)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of every column."""
        return self.flags.shape

    @property
    def mean(self) -> dict[str, np.ndarray]:
        """Means, by label."""
        return self._part("mean")

    @property
    def std(self) -> dict[str, np.ndarray]:
        """Standard deviations of the error, by label."""
        return self._part("std")

    @property
    def lower(self) -> dict[str, np.ndarray]:
        """Lower ends of the intervals, by label."""
        return self._part("lower")

    @property
    def upper(self) -> dict[str, np.ndarray]:
        """Upper ends of the intervals, by label."""
        return self._part("upper")

    @property
    def support(self) -> np.ndarray | None:
        """How far each point is from what was learned, beyond 1 a guess; None where not known."""
        return self.columns.get(SUPPORT)

    @property
    def units(self) -> dict[str, str]:
        """Units of the columns and fields; ``"1"`` where there is none."""
        known = {quantity.name: quantity.unit for quantity in (*self.labels, *self.quantities)}
        known |= {f"{one.name}{end}": one.unit for one in self.labels for end in PARTS.values()}
        return {name: known.get(name, "1") for name in self}

    def to_dataframe(self) -> Any:
        """Return a pandas ``DataFrame``: a row a point in the order of the arrays; no fields.

        Its columns are those of ``about``, those of the table, and ``flag``.

        Raises:
            ConfigError: pandas is not installed.
        """
        pandas = _needed("pandas", "to_dataframe")
        columns = {**self.about, **self.columns, FLAG: self.flags}
        return pandas.DataFrame({name: np.ravel(values) for name, values in columns.items()})

    def to_xarray(self) -> Any:
        """Return an xarray ``Dataset`` with fields, units, and as coordinates what was asked.

        Raises:
            ConfigError: xarray is not installed.
        """
        xarray = _needed("xarray", "to_xarray")
        units = self.units
        predicted = {
            name: (self.dims, values, {"units": units[name]})
            for name, values in self.columns.items()
        }
        wide = {
            name: ((*self.dims, self.axes.get(name, "station")), values, {"units": units[name]})
            for name, values in self.fields.items()
        }
        places = {} if self.stations is None else {"station": ("station", self.stations)}
        return xarray.Dataset(
            {**predicted, **wide, FLAG: (self.dims, self.flags)},
            coords={
                **{name: (self.dims, predicted) for name, predicted in self.about.items()},
                **places,
            },
            attrs={"level": self.level},
        )

    def __repr__(self) -> str:
        """Return the first points as text."""
        cells = self._cells(_SHOWN)
        wide = [max(map(len, column)) for column in zip(*cells, strict=True)]
        rows = ("  ".join(map(str.rjust, row, wide)) for row in cells)
        return "\n".join([self._title(), *rows, *self._remarks(_SHOWN)])

    def _repr_html_(self) -> str:
        """Return the first points as a table for a notebook."""
        head, *rows = (
            "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row)
            for tag, row in zip(["th", *["td"] * _SHOWN_IN_PAGE], self._cells(_SHOWN_IN_PAGE))  # noqa: B905
        )
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        told = "".join(f"<p>{html.escape(line)}</p>" for line in self._remarks(_SHOWN_IN_PAGE))
        return (
            f"<div><p>{html.escape(self._title())}</p><table><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table>{told}</div>"
        )

    def _part(self, part: str) -> dict[str, np.ndarray]:
        names = {label.name: label.name + PARTS[part] for label in self.labels}
        return {name: self.columns[column] for name, column in names.items() if column in self}

    def _title(self) -> str:
        size = " x ".join(map(str, self.shape)) or "1"
        axes = f" ({' x '.join(self.dims)})" if self.dims else ""
        fields = f"; fields: {', '.join(self.fields)}" if self.fields else ""
        told = f"mean ± half of the {self.level:.0%} interval" if self.upper else "no intervals"
        return f"Table of {size}{axes}; {told}{fields}"

    def _cells(self, most: int) -> list[list[str]]:
        """Return the header and the first rows as text."""
        requested = {name: np.ravel(values)[:most] for name, values in self.about.items()}
        predicted = {name: np.ravel(values)[:most] for name, values in self.columns.items()}
        columns = {name: [_short(value) for value in some] for name, some in requested.items()}
        for label in self.labels:
            name, unit = label.name, "" if label.unit == "1" else f" [{label.unit}]"
            if name not in self.upper:
                columns[name + unit] = [f"{mean:.4g}" for mean in predicted[name]]
                continue
            half = 0.5 * (predicted[f"{name}_upper"] - predicted[f"{name}_lower"])
            pairs = zip(predicted[name], half, strict=True)
            columns[name + unit] = [f"{mean:.4g} ± {off:.2g}" for mean, off in pairs]
        if SUPPORT in predicted:
            columns[SUPPORT] = [f"{far:.2g}" for far in predicted[SUPPORT]]
        return [list(columns), *map(list, zip(*columns.values(), strict=True))]

    def _remarks(self, shown: int) -> list[str]:
        """Return what is to be said below the rows."""
        lines = [f"... and {self.flags.size - shown} more"] if self.flags.size > shown else []
        flagged = [text for text in self.flags.ravel() if text]
        if flagged:
            first = textwrap.shorten(flagged[0], _LONGEST, placeholder=" ...")
            lines.append(f"{len(flagged)} of {self.flags.size} are guesses (flags): {first}")
        return lines


def columns_of(prediction: Prediction) -> dict[str, np.ndarray]:
    """Return the columns of a prediction, each (points,) in float64."""
    parts = {end: getattr(prediction, part) for part, end in PARTS.items()}
    result = {
        label + end: values.detach().double().numpy()
        for end, part in parts.items()
        for label, values in part.items()
    }
    far = (
        {}
        if prediction.support is None
        else {SUPPORT: prediction.support.detach().double().numpy()}
    )
    return result | far


def stacked(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return columns of one part after the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def flagged(shape: tuple[int, ...], told: Mapping[int, str]) -> np.ndarray:
    """Return flags of a shape from those of some points, by their places in a row."""
    flags = np.full(shape, "", dtype=object)
    for place, text in told.items():
        flags.flat[place] = text
    return flags


def _short(value: Any) -> str:
    """Return what was asked as short text."""
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."


def _needed(module: str, call: str) -> Any:
    """Return a module that is no dependency.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"{call}() needs {module}, which is not installed: pip install {module}. Without it, "
            "every column is a numpy array: table['name'], table.columns."
        ) from error
