"""Files of runs as they are found: NumPy's, HDF5's, The Well's; promises in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from formwright.datasets.errors import ConfigError, CorpusError, UnknownNameError, did_you_mean
from formwright.datasets.files import read_npz
from formwright.datasets.own.notes import Notes
from formwright.datasets.pde.hdf5 import opened
from formwright.datasets.pde.runs import FieldRuns
from formwright.datasets.pde.well import open_well

PROMISES: Final[Mapping[str, str]] = {
    "constant": "constant of the run: any stretch of it tells the same",
    "shift": "the same wherever the origin of the grid is",
    "mirror": "the same in a mirror (scalar fields)",
    "odd": "changes sign in a mirror (scalar fields)",
    "amplitude": "the same when all fields are multiplied by one number",
}
_SAME: Final = {
    "constant of the run": "constant",
    "shift invariant": "shift",
    "even under mirror": "mirror",
    "odd under mirror": "odd",
}
TIME: Final = ("t", "time", "times")
AXES: Final = ("x", "y")
STRIDE: Final = 8
HDF5: Final = (".h5", ".hdf5")


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """Runs of one file, before anything is left out.

    Attributes:
        runs: Fields and constants.
        groups: Names, one a run; None where the file has no such column.
        promises: What the file itself promises of a label.
        good: Whether all numbers of a field are finite.
    """

    runs: FieldRuns
    groups: tuple[str, ...] | None
    promises: Mapping[str, tuple[str, ...]]
    good: Bool[np.ndarray, " runs"]


def promises_of(given: Mapping[str, Sequence[str]], where: str) -> dict[str, tuple[str, ...]]:
    """Return promises in the words of ``PROMISES``.

    Raises:
        UnknownNameError: A word that is none of them.
    """
    result = {}
    for label, words in given.items():
        plain = tuple(_SAME.get(word.strip().lower(), word.strip().lower()) for word in words)
        for word in plain:
            if word not in PROMISES:
                told = "; ".join(f"{name} ({what})" for name, what in PROMISES.items())
                raise UnknownNameError(
                    f"{where}: no promise is called {word!r}.{did_you_mean(word, PROMISES)} "
                    f"Known: {told}."
                )
        if {"mirror", "odd"} <= set(plain):
            raise ConfigError(f"{where}: {label!r} cannot both stay and change sign in a mirror.")
        result[label] = plain
    return result


def files_of(source: Any) -> list[Any]:
    """Return the files of a source, or the arrays that were given."""
    if isinstance(source, Mapping):
        return [source]
    path = Path(source)
    if path.is_dir():
        result = sorted(p for p in path.rglob("*") if p.suffix.lower() in (*HDF5, ".npz"))
        if not result:
            raise CorpusError(f"{str(path)!r} holds no .npz, .h5 or .hdf5 file.")
        return result
    if not path.is_file():
        raise CorpusError(f"there is no file or folder {str(path)!r}.")
    if path.suffix.lower() not in (*HDF5, ".npz"):
        raise CorpusError(f"{str(path)!r} is none of .npz, .h5, .hdf5: runs are read from these.")
    return [path]


def read_file(source: Any, group: str | None, periodic: bool, notes: Notes) -> Read:
    """Read one file."""
    if isinstance(source, Mapping):
        return _plain(dict(source), {}, "the arrays", group, periodic, notes)
    if source.suffix.lower() == ".npz":
        arrays = read_npz(source, CorpusError, "Write it again with numpy.savez.")
        return _plain(arrays, {}, str(source), group, periodic, notes)
    with opened(source) as handle:
        if "n_trajectories" not in handle.attrs:
            arrays, promised = _hdf5(handle)
            return _plain(arrays, promised, str(source), group, periodic, notes)
        scalars: Any = handle.get("scalars", {})
        promised = _promised(scalars, str(source))
    runs = _rings(open_well(source).read(), str(source), periodic, notes)
    return _of_well(runs, promised, str(source), group)


def _of_well(runs: FieldRuns, promised: Any, where: str, group: str | None) -> Read:
    """Return runs of The Well's layout; the group is one of their scalars."""
    good = np.ones(len(runs), bool)
    if group is None:
        return Read(runs=runs, groups=None, promises=promised, good=good)
    if group not in runs.labels:
        raise UnknownNameError(
            f"{where} has no scalar {group!r}.{did_you_mean(group, runs.labels)} It has "
            f"{', '.join(runs.labels)}."
        )
    names = tuple(f"{v:g}" for v in runs.labels[group].tolist())
    return Read(runs=runs, groups=names, promises=promised, good=good)


def _hdf5(handle: Any) -> tuple[dict[str, np.ndarray], dict[str, tuple[str, ...]]]:
    """Read the arrays of a plain HDF5 file, with their promises."""
    import h5py

    result: dict[str, Any] = {}

    def look(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            result[name.rpartition("/")[2]] = item

    handle.visititems(look)
    return {name: item[()] for name, item in result.items()}, _promised(result, handle.filename)


def _promised(items: Mapping[str, Any], where: str) -> dict[str, tuple[str, ...]]:
    """Return the attribute ``promise`` of datasets, one text or several with commas."""
    given = {}
    for name, item in items.items():
        text = item.attrs.get("promise")
        if text is not None:
            text = text.decode() if isinstance(text, bytes) else str(text)
            given[name] = text.split(",")
    return promises_of(given, f"{where}, attribute 'promise'")


def _plain(
    arrays: Mapping[str, Any],
    promised: Mapping[str, tuple[str, ...]],
    where: str,
    group: str | None,
    periodic: bool,
    notes: Notes,
) -> Read:
    """Return runs from arrays: those of two and more axes are fields, those of one constants."""
    held = {name: np.asarray(value) for name, value in arrays.items()}
    lines = {n: held[n] for n in (*TIME, *AXES) if n in held and held[n].ndim == 1}
    fields = {n: v for n, v in held.items() if v.ndim >= 2 and v.dtype.kind in "fiu"}
    if not fields:
        told = ", ".join(f"{n} {v.shape}" for n, v in held.items())
        raise CorpusError(
            f"{where} holds no field: an array of (runs, points), (runs, times, points) or (runs, "
            f"times, x, y). It holds {told or 'nothing'}."
        )
    shape = next(iter(fields.values())).shape
    odd = [n for n, v in fields.items() if v.shape != shape]
    if odd or len(shape) > 4:
        told = ", ".join(f"{n} {v.shape}" for n, v in fields.items())
        raise CorpusError(
            f"{where}: fields are one array each, of (runs, points), (runs, times, points) or "
            f"(runs, times, x, y), all alike; got {told}."
        )
    if len(shape) == 2:
        notes.guessed.append(f"{where}: arrays of (runs, points) are signals, one frame each")
    values = np.stack([v.astype(np.float32) for v in fields.values()], 2 if len(shape) > 2 else 1)
    values = values if len(shape) > 2 else values[:, None]
    space = values.shape[3:]
    times = next((lines[n] for n in TIME if n in lines), None)
    interval = _step(times, values.shape[1], f"{where}: times", notes)
    axes = AXES[: len(space)]
    steps = [
        _step(lines.get(a), n, f"{where}: {a}", notes) for a, n in zip(axes, space, strict=True)
    ]
    names = _names(held, group, len(values), where)
    own = {n: v for n, v in held.items() if n not in lines and v.ndim == 1 and n != group}
    runs = FieldRuns(
        values=torch.from_numpy(np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)),
        spacing=torch.tensor(steps, dtype=torch.float64).expand(len(values), -1),
        interval=torch.full((len(values),), interval, dtype=torch.float64),
        start=torch.full(
            (len(values),), 0.0 if times is None else float(times[0]), dtype=torch.float64
        ),
        periodic=torch.full((len(values), len(space)), periodic),
        labels=_constants(own, len(values), where, notes),
        names=tuple(fields),
    )
    good = np.asarray(np.isfinite(values).reshape(len(values), -1).all(1))
    runs = _rings(runs, where, periodic, notes)
    return Read(runs=runs, groups=names, promises=promised, good=good)


def _step(line: Any, count: int, where: str, notes: Notes) -> float:
    """Return the step of a line of coordinates; 1 where there is none, and that is said."""
    if line is None:
        if count > 1:
            notes.guessed.append(f"{where}: none are given, a step of 1 is taken")
        return 1.0
    steps = np.diff(np.asarray(line, dtype=float))
    if len(line) != count or (len(steps) and not np.allclose(steps, steps[0], rtol=1e-3)):
        raise CorpusError(
            f"{where} should be {count} numbers at equal steps; got {len(line)}, from "
            f"{line[0]} to {line[-1]}."
        )
    return float(steps.mean()) if len(steps) else 1.0


def _names(
    held: Mapping[str, np.ndarray], group: str | None, runs: int, where: str
) -> tuple[str, ...] | None:
    """Return the group of every run."""
    if group is None:
        return None
    if group not in held or held[group].shape != (runs,):
        raise UnknownNameError(
            f"{where} has no array {group!r} of one value for each of {runs} runs."
            f"{did_you_mean(group, held)} It has {', '.join(held)}."
        )
    return tuple(v.decode() if isinstance(v, bytes) else str(v) for v in held[group].tolist())


def _constants(
    held: Mapping[str, np.ndarray], runs: int, where: str, notes: Notes
) -> dict[str, Tensor]:
    """Return arrays of one number a run; others are named."""
    result = {}
    for name, value in held.items():
        if value.shape == (runs,) and value.dtype.kind in "fiub":
            result[name] = torch.from_numpy(value.astype(np.float64))
        else:
            what = f"shape {value.shape}" if value.shape != (runs,) else f"text ({value[0]!r} ...)"
            notes.refused.append(f"{where}: {name} is no label, it has {what} for {runs} runs")
    return result


def _rings(runs: FieldRuns, where: str, periodic: bool, notes: Notes) -> FieldRuns:
    """Return runs whose axes are periodic.

    Raises:
        CorpusError: They are not, or not said to be.
    """
    if not periodic and not runs.periodic.all():
        raise CorpusError(
            f"{where} does not say that its axes are periodic, and the encoder of runs goes round "
            "their ends. Give --periodic if they are, or if joining the ends does no harm (a "
            "signal that is zero at both)."
        )
    if periodic and not runs.periodic.all():
        notes.guessed.append(f"{where}: axes are periodic because --periodic says so")
    return replace(runs, periodic=torch.ones_like(runs.periodic))
