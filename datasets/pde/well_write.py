"""Runs of fields on periodic grids as an HDF5 file in The Well's layout."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from formwright.datasets import integrity
from formwright.datasets.errors import CorpusError
from formwright.datasets.files import from_json, replacing
from formwright.datasets.pde.runs import FieldRuns, check_alike
from formwright.datasets.pde.well import HEADER

AXES: Final = ("x", "y", "z")
USER_BLOCK: Final = 512
"""Bytes before HDF5's own, where the seal is."""
_AGAIN: Final = "Remove it and make it again, or copy it again."


def write_well(
    path: str | os.PathLike[str],
    runs: FieldRuns,
    *,
    name: str,
    header: Mapping[str, Any] | None = None,
) -> None:
    """Write a file of scalar fields in single precision, whole or not at all.

    Args:
        path: Where to.
        runs: Every channel becomes a field of ``t0_fields``, every label a scalar that varies
            between runs, in double precision.
        name: Of the dataset.
        header: What JSON can hold; kept in an attribute of formwright's own.

    Raises:
        CorpusError: The runs differ in their steps, or an axis is not periodic.
        StorageError: The file cannot be written.
    """
    import h5py

    check_alike(runs)
    with replacing(path) as temporary:
        with h5py.File(temporary, "w", userblock_size=USER_BLOCK) as file:
            _fill(file, runs, name, header or {})
        with open(temporary, "r+b") as handle:
            handle.write(integrity.BLANK.encode())


def _fill(file: Any, runs: FieldRuns, name: str, header: Mapping[str, Any]) -> None:
    """Put runs into an open file."""
    count, frames, _, *space = runs.values.shape
    axes = AXES[: len(space)]
    file.attrs.update(
        dataset_name=name,
        grid_type="cartesian",
        n_spatial_dims=len(space),
        n_trajectories=count,
        simulation_parameters=_names(()),
    )
    file.attrs[HEADER] = json.dumps({**header, "failures": list(runs.failures)})
    dimensions = file.create_group("dimensions")
    dimensions.attrs["spatial_dims"] = _names(axes)
    steps = runs.interval.numpy()[:, None] * np.arange(frames)
    times = runs.start.numpy()[:, None] + steps
    one = bool((times == times[:1]).all())
    _put(dimensions, "time", times[0] if one else times, sample_varying=not one)
    lines = zip(axes, space, runs.spacing[0].tolist(), strict=True)
    for axis, n, step in lines:
        line = step * np.arange(n)
        _put(dimensions, axis, line, sample_varying=False, time_varying=False)
    _boundaries(file, axes, space)
    scalars = file.create_group("scalars")
    scalars.attrs["field_names"] = _names(runs.labels)
    for label, value in runs.labels.items():
        data = value.double().numpy()
        _put(scalars, label, data, sample_varying=True, time_varying=False)
    fields = file.create_group("t0_fields")
    fields.attrs["field_names"] = _names(runs.names)
    for channel, field in enumerate(runs.names):
        data = runs.values[:, :, channel].float().numpy()
        varies = {"dim_varying": [True] * len(space)}
        _put(fields, field, data, sample_varying=True, time_varying=True, **varies)
    for order in (1, 2):
        file.create_group(f"t{order}_fields").attrs["field_names"] = _names(())


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the header that ``write_well`` was given.

    Raises:
        CorpusError: The file is absent or damaged, or formwright did not write it.
    """
    import h5py

    try:
        integrity.check(path, CorpusError, _AGAIN, ours=False)
        with h5py.File(path, "r") as file:
            header = from_json(str(file.attrs[HEADER]))
            if not file.userblock_size:
                integrity.tell(path)
            return header
    except CorpusError:
        raise
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise CorpusError(
            f"{str(Path(path))!r} has no header of formwright's ({error}): it is absent, damaged, "
            "or another program wrote it; datasets.well.open_well reads such a file."
        ) from error


def _boundaries(file: Any, axes: Sequence[str], space: Sequence[int]) -> None:
    """Say that every axis is periodic."""
    group = file.create_group("boundary_conditions")
    for axis, n in zip(axes, space, strict=True):
        boundary = group.create_group(f"{axis}_periodic")
        boundary.attrs.update(
            associated_dims=_names([axis]),
            associated_fields=_names(()),
            bc_type="PERIODIC",
            sample_varying=False,
            time_varying=False,
        )
        mask = np.zeros(n, dtype=bool)
        mask[[0, -1]] = True
        boundary.create_dataset("mask", data=mask)


def _put(group: Any, name: str, data: np.ndarray, **attributes: Any) -> None:
    group.create_dataset(name, data=data).attrs.update(attributes)


def _names(names: Any) -> np.ndarray:
    """Return strings as HDF5 takes them, also when there are none."""
    import h5py

    return np.array(list(names), dtype=h5py.string_dtype())
