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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
    FormwrightError,
    UnknownNameError,
    did_you_mean,
)
from formwright.datasets.pde.runs import FieldRuns

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
        times: Of the frames.
        axes: Names of the axes of space.
        coordinates: Of the points along each axis, (points,) each.
        periodic: Whether every boundary is periodic.
        fields: By name.
        constants: By name, one value a run: scalars that do not vary in time.
    """

    path: Path
    name: str
    runs: int
    times: Float[Tensor, " frames"]
    axes: tuple[str, ...]
    coordinates: tuple[Tensor, ...]
    periodic: bool
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
            CorpusError: The grid or the times are not equally spaced, or values are not finite.
        """
        wanted = list(self.fields) if fields is None else list(fields)
        for name in wanted:
            if name not in self.fields:
                raise UnknownNameError(
                    f"{str(self.path)!r} has no field {name!r}.{did_you_mean(name, self.fields)} "
                    f"It has {', '.join(self.fields)}."
                )
        with _opened(self.path) as handle:
            parts = [self._field(handle, self.fields[name], runs, frames) for name in wanted]
        times = self.times[frames]
        return FieldRuns(
            values=torch.cat(parts, 2),
            spacing=tuple(
                _step(x, a, self.path) for a, x in zip(self.axes, self.coordinates, strict=True)
            ),
            interval=_step(times, "time", self.path) if len(times) > 1 else 0.0,
            start=float(times[0]) if len(times) else 0.0,
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
        except OSError as error:
            raise CorpusError(
                f"field {field.name!r} of {str(self.path)!r} cannot be read ({error}): the file is "
                "truncated or damaged; copy it again."
            ) from error
        count = len(range(*runs.indices(self.runs)))
        length = len(range(*frames.indices(len(self.times))))
        space = [len(x) for x in self.coordinates]
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
    with _opened(source) as handle:
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
        times, *lines = (_line(dimensions, name, source) for name in ("time", *axes))
        counts = [len(times), *map(len, lines)]
        return WellFile(
            path=source,
            name=_text(handle.attrs.get("dataset_name", source.stem)),
            runs=runs,
            times=times,
            axes=axes,
            coordinates=tuple(lines),
            periodic=_periodic(handle),
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
    for key in handle.attrs.get("simulation_parameters", ()):
        value = handle.attrs.get(_text(key))
        if value is not None and np.issubdtype(np.asarray(value).dtype, np.number):
            if np.size(value) == 1:
                found[_text(key)] = torch.full((runs,), float(np.ravel(value)[0]))
    scalars = handle["scalars"] if "scalars" in handle else {}
    for name in scalars:
        data = scalars[name]
        if bool(data.attrs.get("time_varying", False)):
            continue
        value = torch.from_numpy(np.asarray(data[()], dtype=np.float64)).reshape(-1)
        if bool(data.attrs.get("sample_varying", False)):
            if len(value) != runs:
                raise CorpusError(
                    f"scalar {name!r} of {str(path)!r} varies between runs and holds {len(value)} "
                    f"values for {runs} runs."
                )
            found[name] = value
        elif len(value) == 1:
            found[name] = value.expand(runs).clone()
    return found


def _periodic(handle: Any) -> bool:
    """Return whether every boundary condition says that it is periodic."""
    group = handle["boundary_conditions"] if "boundary_conditions" in handle else {}
    kinds = [_text(group[name].attrs.get("bc_type", "")).upper() for name in group]
    return bool(kinds) and all(kind == PERIODIC for kind in kinds)


def _line(dimensions: Any, name: str, path: Path) -> Tensor:
    """Return the times, or the coordinates along an axis."""
    if name not in dimensions:
        raise _lacks(path, f"{name!r} in dimensions", list(dimensions))
    value = np.asarray(dimensions[name][()], dtype=np.float64)
    return torch.from_numpy(value[0] if value.ndim == 2 else value)


def _step(line: Tensor, name: str, path: Path) -> float:
    """Return the distance of equally spaced numbers."""
    steps = line.diff()
    if len(steps) and (steps - steps[0]).abs().max() > 1e-3 * steps[0].abs():
        raise CorpusError(
            f"{name!r} of {str(path)!r} is not equally spaced (steps {float(steps.min()):.4g} to "
            f"{float(steps.max()):.4g}): read a part of it that is."
        )
    return float(steps.mean()) if len(steps) else 0.0


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


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open an HDF5 file; what cannot be read of it becomes a ``CorpusError``."""
    import h5py

    try:
        with h5py.File(path, "r") as handle:
            yield handle
    except FormwrightError:
        raise
    except (OSError, KeyError, RuntimeError) as error:
        raise CorpusError(
            f"cannot read {str(path)!r} as HDF5: {error}. The file is absent, truncated, damaged "
            "or of another format; copy it again."
        ) from error
