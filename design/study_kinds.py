"""Which kind of study a TOML file is: of an airfoil, or of a catalyst."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import Final

from formwright.datasets.config import from_mapping, read_toml
from formwright.datasets.errors import ConfigError, did_you_mean
from formwright.design.airfoils.specs import Study
from formwright.design.catalysts.config import CatalystStudy

KINDS: Final[dict[str, type[Study] | type[CatalystStudy]]] = {
    "airfoil": Study,
    "catalyst": CatalystStudy,
}


def read_any(path: str | os.PathLike[str]) -> Study | CatalystStudy:
    """Read a study of any kind from TOML.

    ``kind`` says which it is. A file without it is a catalyst's if it has keys that only that kind
    knows, else an airfoil's.

    Raises:
        ConfigError: Unknown kind or key, missing key or a value of the wrong kind.
    """
    values = read_toml(path)
    kind = values.pop("kind", None) or _guessed(values)
    if kind not in KINDS:
        raise ConfigError(
            f"{Path(path).name}: kind = {kind!r} is none of {', '.join(map(repr, KINDS))}."
            f"{did_you_mean(str(kind), KINDS)}"
        )
    return from_mapping(KINDS[kind], values, where=Path(path).name)


def _guessed(values: dict[str, object]) -> str:
    """Return the kind that the keys speak for."""
    keys = {name: {field.name for field in fields(study)} for name, study in KINDS.items()}
    own = keys["catalyst"] - keys["airfoil"]
    return "catalyst" if own & set(values) and "points" not in values else "airfoil"
