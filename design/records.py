"""Stages of a study as JSON: what an interrupted run finds again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from formwright.datasets.config import from_mapping, to_mapping
from formwright.datasets.errors import ConfigError
from formwright.datasets.files import read_record, write_record
from formwright.design.airfoils.sweeps import Sweep
from formwright.design.airfoils.verify import Verdict, Verification
from formwright.design.optimise.progress import Progress

AIRFOIL_FORMAT: Final = 2
CATALYST_FORMAT: Final = 1
SCREEN_FORMAT: Final = 1
"""Versions of the layouts of ``result.json`` (``polars.json``) and of ``screen.json``."""


_AGAIN: Final = "Delete the file to repeat that stage, or run the study in another folder."


def plain(value: Any) -> Any:
    """Return numbers, lists and mappings as JSON knows them; what is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_json(path: Path) -> dict[str, Any] | None:
    """Return what a file holds, None where there is none.

    Raises:
        ConfigError: The file is damaged.
    """
    try:
        return read_record(path, ConfigError, _AGAIN)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"cannot read {str(path)!r}: {error}. {_AGAIN}") from error


def write_progress(path: Path, progress: Progress) -> None:
    """Write the state of an optimisation, compactly and atomically."""
    write_record(path, to_mapping(progress), indent=None)


def read_progress(path: Path) -> Progress | None:
    """Return the state that ``write_progress`` wrote, None where there is none."""
    values = read_json(path)
    return None if values is None else from_mapping(Progress, values, where=str(path))


def write_verification(path: Path, verification: Verification) -> None:
    """Write verdicts and sweeps."""
    write_record(
        path,
        plain(
            {
                "solver": verification.solver,
                "settings": verification.settings,
                "seconds": verification.seconds,
                "verdicts": [_fields(v) for v in verification.verdicts],
                "sweeps": [_fields(s) for s in verification.sweeps],
            }
        ),
    )


def read_verification(path: Path) -> Verification | None:
    """Return what ``write_verification`` wrote, None where there is none."""
    values = read_json(path)
    if values is None:
        return None
    return Verification(
        solver=values["solver"],
        settings=values["settings"],
        seconds=values["seconds"],
        verdicts=tuple(_verdict(v) for v in values["verdicts"]),
        sweeps=tuple(_sweep(s) for s in values["sweeps"]),
    )


def _fields(record: Any) -> dict[str, Any]:
    """Return the fields of a record, arrays untouched."""
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def _array(values: Any) -> np.ndarray:
    """Return numbers as float64, None as NaN."""
    return np.array(values, dtype=np.float64)


def _arrays(values: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {name: _array(value) for name, value in values.items()}


def _sweep(values: Mapping[str, Any]) -> Sweep:
    return Sweep(
        alpha_deg=_array(values["alpha_deg"]),
        labels=_arrays(values["labels"]),
        reasons=tuple(values["reasons"]),
        used=np.array(values["used"], dtype=bool),
        fields=_arrays(values["fields"]),
    )


def _verdict(values: Mapping[str, Any]) -> Verdict:
    alpha = values["alpha_deg"]
    labels = {k: math.nan if v is None else float(v) for k, v in values["labels"].items()}
    return Verdict(
        converged=values["converged"],
        reason=values["reason"],
        alpha_deg=math.nan if alpha is None else float(alpha),
        labels=labels,
        dropped=values["dropped"],
        fields=_arrays(values["fields"]),
    )
