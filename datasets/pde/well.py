"""The HDF5 layout of The Well: reading its files lazily, and writing files of that layout.

A file holds ``n_trajectories`` runs: scalar, vector and tensor fields in ``t0_fields``,
``t1_fields`` and ``t2_fields``, each of shape (runs, times, *space, *components) where run, time
and axes vary, and times, axes, boundary conditions and scalars in groups of their own. Nothing but
the runs and frames asked for is read.

Source: Ohana et al., "The Well", arXiv 2412.00568 (NeurIPS 2024), and its data_format page.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets import integrity
from formwright.datasets.errors import (
    CorpusError,
    UnknownNameError,
    did_you_mean,
)
from formwright.datasets.pde.hdf5 import opened
from formwright.datasets.pde.runs import TOLERANCE, FieldRuns

GROUPS: Final = ("t0_fields", "t1_fields", "t2_fields")
NEEDED: Final = ("n_trajectories", "n_spatial_dims", "grid_type")
PERIODIC: Final = "PERIODIC"
HEADER: Final = "formwright"
"""Attribute of files that formwright wrote."""


@dataclass(frozen=True, slots=True)
class WellField:
    """One field of a file.

    Attributes:
        name: Its own.
        group: The group it lies in; its order is that of the tensor.
        components: Numbers at a point: 1, D or D^2.
        runs: Whether it varies between runs.
        times: Whether it varies in time.
        axes: Whether it varies along each axis of space.
    """

    name: str
    group: str
    components: int
    runs: bool
    times: bool
    axes: tuple[bool, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class WellFile:
    """What a file says of itself; the fields stay on disk.

    Attributes:
        path: The file.
        name: Of the dataset.
        runs: How many.
        times: Of the frames of each run.
        axes: Names of the axes of space.
        coordinates: Of the points along each axis in each run, (runs, points) each.
        periodic: Whether each axis is: where the file says nothing, it is not.
        fields: By name.
        constants: By name, one value a run: scalars that do not vary in time.
    """

    path: Path
    name: str
    runs: int
    times: Float[Tensor, "runs frames"]
    axes: tuple[str, ...]
    coordinates: tuple[Float[Tensor, "runs _"], ...]
    periodic: tuple[bool, ...]
    fields: Mapping[str, WellField]
    constants: Mapping[str, Float[Tensor, " runs"]]

    def read(
        self,
        fields: Sequence[str] | None = None,
        *,
        runs: slice = slice(None),
        frames: slice = slice(None),
    ) -> FieldRuns:
        """Read some runs and frames of some fields; every component becomes a channel.

        Args:
            fields: Names; all where None. What does not vary in time or along an axis is repeated.
            runs: Which runs.
            frames: Which times.

        Raises:
            UnknownNameError: There is no such field.
            CorpusError: The grid or the times are not equally spaced or do not grow, or values are
                not finite.
        """
        wanted = list(self.fields) if fields is None else list(fields)
        for name in wanted:
            if name not in self.fields:
                raise UnknownNameError(
                    f"{str(self.path)!r} has no field {name!r}.{did_you_mean(name, self.fields)} "
                    f"It has {', '.join(self.fields)}."
                )
        with opened(self.path) as handle:
            parts = [self._field(handle, self.fields[name], runs, frames) for name in wanted]
        times = self.times[runs, frames]
        lines = zip(self.axes, self.coordinates, strict=True)
        return FieldRuns(
            values=torch.cat(parts, 2),
            spacing=torch.stack([_steps(x[runs], a, self.path) for a, x in lines], 1),
            interval=_steps(times, "time", self.path),
            start=times[:, 0] if times.shape[1] else times.new_zeros(len(times)),
            periodic=torch.tensor([self.periodic]).expand(len(times), -1),
            labels={name: value[runs] for name, value in self.constants.items()},
            names=tuple(
                name if self.fields[name].components == 1 else f"{name}.{i}"
                for name in wanted
                for i in range(self.fields[name].components)
            ),
        )

    def _field(self, handle: Any, field: WellField, runs: slice, frames: slice) -> Tensor:
        """Return a field as (runs, frames, components, *space)."""
        data = handle[field.group][field.name]
        index = [runs] * field.runs + [frames] * field.times
        try:
            value = torch.from_numpy(np.asarray(data[tuple(index)], dtype=np.float32))
        except (OSError, SystemError) as error:
            raise CorpusError(
                f"field {field.name!r} of {str(self.path)!r} cannot be read ({error}): the file is "
                "truncated or damaged; copy it again."
            ) from error
        count = len(range(*runs.indices(self.runs)))
        length = len(range(*frames.indices(self.times.shape[1])))
        space = [x.shape[1] for x in self.coordinates]
        shape = [
            count if field.runs else 1,
            length if field.times else 1,
            *(n if varies else 1 for n, varies in zip(space, field.axes, strict=True)),
            field.components,
        ]
        whole = value.reshape(shape).movedim(-1, 2)
        return whole.expand(count, length, field.components, *space)


def open_well(path: str | os.PathLike[str]) -> WellFile:
    """Read what a file says of itself.

    Raises:
        CorpusError: The file is absent, damaged, truncated, or lacks a piece of the layout; the
            message names the piece.
    """
    source = Path(path)
    if source.is_file():
        integrity.check(source, CorpusError, "Make it again, or copy it again.", ours=False)
    with opened(source) as handle:
        if HEADER in handle.attrs and not handle.userblock_size:
            integrity.tell(source)
        for key in NEEDED:
            if key not in handle.attrs:
                raise _lacks(source, f"the attribute {key!r} of the file", sorted(handle.attrs))
        grid_type = _text(handle.attrs["grid_type"])
        if grid_type != "cartesian":
            raise CorpusError(
                f"{str(source)!r} lies on a {grid_type!r} grid; the reader knows 'cartesian'."
            )
        runs = int(handle.attrs["n_trajectories"])
        dimensions = _group(handle, "dimensions", source)
        axes = tuple(_text(a) for a in dimensions.attrs.get("spatial_dims", ()))
        if len(axes) != int(handle.attrs["n_spatial_dims"]):
            raise _lacks(source, f"{handle.attrs['n_spatial_dims']} names in spatial_dims", axes)
        times, *lines = (_line(dimensions, name, source, runs) for name in ("time", *axes))
        counts = [line.shape[1] for line in (times, *lines)]
        return WellFile(
            path=source,
            name=_text(handle.attrs.get("dataset_name", source.stem)),
            runs=runs,
            times=times,
            axes=axes,
            coordinates=tuple(lines),
            periodic=_periodic(handle, axes),
            fields=_fields(handle, source, runs, counts),
            constants=_constants(handle, source, runs),
        )


def _fields(handle: Any, path: Path, runs: int, counts: list[int]) -> dict[str, WellField]:
    """Return the fields of all groups, their shapes checked against what they claim."""
    found = {}
    for order, group in enumerate(GROUPS):
        if group not in handle:
            continue
        names = [_text(name) for name in handle[group].attrs.get("field_names", handle[group])]
        for name in names:
            if name not in handle[group]:
                raise _lacks(path, f"the field {name!r} that {group} lists", list(handle[group]))
            data = handle[group][name]
            axes = tuple(bool(v) for v in data.attrs.get("dim_varying", [True] * (len(counts) - 1)))
            per_run = bool(data.attrs.get("sample_varying", True))
            per_time = bool(data.attrs.get("time_varying", True))
            varies = [per_run, per_time, *axes]
            sizes = [n for n, v in zip([runs, *counts], varies, strict=True) if v]
            components = [len(counts) - 1] * order
            shape = list(data.shape)
            rest = shape[len(sizes) :]
            if shape[: len(sizes)] != sizes or math.prod(rest) != math.prod(components):
                raise CorpusError(
                    f"field {name!r} of {str(path)!r} has shape {tuple(shape)}; runs, times, axes "
                    f"and components make it {(*sizes, *components)}. The file is damaged, or "
                    "dim_varying, sample_varying or time_varying do not tell the truth."
                )
            found[name] = WellField(name, group, math.prod(components), per_run, per_time, axes)
    if not found:
        raise _lacks(path, f"any field in {', '.join(GROUPS)}", list(handle))
    return found


def _constants(handle: Any, path: Path, runs: int) -> dict[str, Tensor]:
    """Return the scalars that do not vary in time, and the parameters of the file."""
    found = {}
    for key in map(_text, handle.attrs.get("simulation_parameters", ())):
        value = _numbers(handle.attrs.get(key, ()), f"parameter {key!r}", path)
        if len(value) == 1:
            found[key] = value.expand(runs).clone()
    scalars = handle["scalars"] if "scalars" in handle else {}
    for name in scalars:
        data = scalars[name]
        if bool(data.attrs.get("time_varying", False)):
            continue
        value = _numbers(data[()], f"scalar {name!r}", path)
        if len(value) == runs and bool(data.attrs.get("sample_varying", runs > 1)):
            found[name] = value
        elif len(value) == 1 and not bool(data.attrs.get("sample_varying", False)):
            found[name] = value.expand(runs).clone()
        elif len(value):
            raise CorpusError(
                f"scalar {name!r} of {str(path)!r} holds {len(value)} values for {runs} runs, and "
                f"by its attributes varies {'between runs' if runs > 1 else 'not'}: one value a "
                "run with sample_varying, one for all without, or time_varying."
            )
    return found


def _numbers(value: Any, what: str, path: Path) -> Float[Tensor, " values"]:
    """Return numbers as they are, and none for text that is no number.

    Raises:
        CorpusError: A number that was written as text.
    """
    found = np.ravel(np.asarray(value))
    if found.dtype.kind in "biuf":
        return torch.from_numpy(found.astype(np.float64))
    for text in map(_text, found):
        try:
            float(text)
        except ValueError:
            continue
        raise CorpusError(
            f"{what} of {str(path)!r} is the text {text!r}, not a number, and would be lost as a "
            "label: write it as a floating-point number."
        )
    return torch.zeros(0, dtype=torch.float64)


def _periodic(handle: Any, axes: tuple[str, ...]) -> tuple[bool, ...]:
    """Return for each axis whether all boundary conditions that speak of it are periodic."""
    group = handle["boundary_conditions"] if "boundary_conditions" in handle else {}
    kinds: dict[str, list[str]] = {axis: [] for axis in axes}
    for name in group:
        kind = _text(group[name].attrs.get("bc_type", "")).upper()
        for axis in map(_text, np.ravel(group[name].attrs.get("associated_dims", axes))):
            kinds.setdefault(axis, []).append(kind)
    return tuple(bool(kinds[a]) and set(kinds[a]) == {PERIODIC} for a in axes)


def _line(dimensions: Any, name: str, path: Path, runs: int) -> Float[Tensor, "runs points"]:
    """Return the times, or the coordinates along an axis, of every run."""
    if name not in dimensions:
        raise _lacks(path, f"{name!r} in dimensions", list(dimensions))
    value = torch.from_numpy(np.asarray(dimensions[name][()], dtype=np.float64))
    line = value[None] if value.dim() == 1 else value
    if line.dim() != 2 or len(line) not in (1, runs):
        raise CorpusError(
            f"{name!r} of {str(path)!r} has shape {tuple(value.shape)}: one line for all of the "
            f"{runs} runs, or one for each, is read."
        )
    if not torch.isfinite(line).all():
        raise CorpusError(f"{name!r} of {str(path)!r} holds values that are not finite.")
    return line.expand(runs, -1)


def _steps(lines: Float[Tensor, "runs points"], name: str, path: Path) -> Float[Tensor, " runs"]:
    """Return the distance of equally spaced numbers in each run."""
    steps = lines.diff(dim=1)
    if not steps.shape[1]:
        return lines.new_zeros(len(lines))
    uneven = ((steps - steps[:, :1]).abs() > TOLERANCE * steps[:, :1].abs()).any(1)
    if uneven.any() or (steps <= 0.0).any():
        raise CorpusError(
            f"{name!r} of {str(path)!r} is not equally spaced and growing (steps "
            f"{float(steps.min()):.4g} to {float(steps.max()):.4g}): read a part of it that is."
        )
    return steps.mean(1)


def _group(handle: Any, name: str, path: Path) -> Any:
    if name not in handle:
        raise _lacks(path, f"the group {name!r}", list(handle))
    return handle[name]


def _lacks(path: Path, what: str, there: Sequence[str]) -> CorpusError:
    return CorpusError(
        f"{str(path)!r} lacks {what} (it has {', '.join(map(str, there)) or 'nothing'}), so it is "
        "not of The Well's layout, or was cut short: copy it again, or convert it."
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
