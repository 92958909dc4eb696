"""Stages of a study as JSON: what an interrupted run finds again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from formwright.datasets.errors import ConfigError
from formwright.datasets.files import read_record

AIRFOIL_FORMAT: Final = 3
CATALYST_FORMAT: Final = 1
SIMULATOR_FORMAT: Final = 1
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
