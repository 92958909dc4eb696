"""Plain mappings written as TOML, which the standard library only reads."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from formwright.datasets.errors import ConfigError


def to_toml(values: Mapping[str, Any]) -> str:
    """Return a mapping of scalars, lists, tables and lists of tables as TOML; None is left out.

    Raises:
        ConfigError: A value that TOML cannot hold.
    """
    return "\n".join(_table(values, ())).strip() + "\n"


def _table(values: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    """Return the lines of a table: its own values first, then its tables."""
    lines, tables = [], []
    for key, value in values.items():
        if value is None:
            continue
        name = (*path, _key(key))
        if isinstance(value, Mapping):
            tables += ["", f"[{'.'.join(name)}]", *_table(value, name)]
        elif _is_tables(value):
            for item in value:
                tables += ["", f"[[{'.'.join(name)}]]", *_table(item, name)]
        else:
            lines.append(f"{_key(key)} = {_value(value, '.'.join(name))}")
    return lines + tables


def _is_tables(value: Any) -> bool:
    """Return whether a list holds tables."""
    if not isinstance(value, list | tuple) or not value:
        return False
    return all(isinstance(item, Mapping) for item in value)


def _key(key: str) -> str:
    """Return a key, quoted where it must be."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def _value(value: Any, where: str) -> str:
    """Return a scalar or a list."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item, where) for item in value) + "]"
    raise ConfigError(f"{where} = {value!r} of type {type(value).__name__} has no form in TOML.")
