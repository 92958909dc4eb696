"""Frozen dataclasses filled from TOML; an unknown key is an error that suggests the right one."""

from __future__ import annotations

import dataclasses
import math
import os
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import tomli_w

from formwright.datasets.errors import ConfigError, did_you_mean

T = TypeVar("T")


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: The file is absent or not TOML; the message quotes the line.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {str(path)!r}: {error.strerror or error}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{str(path)!r} is not valid TOML: {error}.") from error


def from_mapping(cls: type[T], values: Mapping[str, Any], *, where: str = "configuration") -> T:
    """Build the dataclass ``cls`` from a mapping, nested dataclasses included.

    Args:
        cls: A dataclass type; its annotations say what each key holds.
        values: The mapping, as TOML gives it.
        where: How to name the mapping in an error, e.g. ``"study.toml [method]"``.

    Raises:
        ConfigError: Unknown or missing key, or a value of the wrong kind.
    """
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}  # pyright: ignore
    for key in values:
        if key not in fields:
            raise ConfigError(
                f"{where} has no key {key!r}.{did_you_mean(key, fields)} "
                f"Known keys: {', '.join(sorted(fields))}."
            )
    hints = typing.get_type_hints(cls)
    arguments = {
        key: _convert(hints[key], value, f"{where}.{key}") for key, value in values.items()
    }
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and (
            field.default_factory is dataclasses.MISSING
        )
        if required and name not in arguments:
            raise ConfigError(f"{where} lacks the key {name!r}, which has no default.")
    return cls(**arguments)


def override(value: T, given: Mapping[str, Any], *, where: str = "configuration") -> T:
    """Return a dataclass value with the attributes of a mapping, the others as they are.

    A table for an attribute that is a dataclass of the same ``kind`` changes that one; a table of
    another ``kind`` replaces it.

    Args:
        value: A dataclass value.
        given: Attributes, as TOML gives them.
        where: How to name the mapping in an error.

    Raises:
        ConfigError: Unknown key, or a value of the wrong kind.
    """
    fields = {field.name for field in dataclasses.fields(value) if field.init}  # pyright: ignore
    hints, changed = typing.get_type_hints(type(value)), {}
    for key, item in given.items():
        if key not in fields:
            raise ConfigError(
                f"{where} has no key {key!r}.{did_you_mean(key, fields)} "
                f"Known keys: {', '.join(sorted(fields))}."
            )
        now = getattr(value, key)
        kind = getattr(now, "kind", None)
        if dataclasses.is_dataclass(now) and isinstance(item, Mapping):
            if item.get("kind", kind) == kind:
                changed[key] = override(now, item, where=f"{where}.{key}")
                continue
        changed[key] = _convert(hints[key], item, f"{where}.{key}")
    return dataclasses.replace(value, **changed)  # pyright: ignore


def to_mapping(value: Any) -> Any:
    """Return plain dicts, lists and scalars (JSON and TOML know them) of a dataclass."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_mapping(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): to_mapping(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_mapping(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def to_toml(values: Mapping[str, Any]) -> str:
    """Return a mapping as TOML, which has no word for None: such keys are left out.

    Raises:
        ConfigError: A value that TOML cannot hold.
    """
    try:
        return tomli_w.dumps(_stated(values))
    except TypeError as error:
        raise ConfigError(f"there is no form in TOML for {values!r:.200}: {error}.") from error


def _stated(value: Any) -> Any:
    """Return a value without the keys whose value is None."""
    if isinstance(value, Mapping):
        return {key: _stated(one) for key, one in value.items() if one is not None}
    return [_stated(one) for one in value] if isinstance(value, list | tuple) else value


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Return ``value`` as the annotation ``hint`` asks for it, or raise ConfigError."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(arguments, value, where)
    if origin is typing.Literal:
        if value not in arguments:
            raise ConfigError(
                f"{where} = {value!r} is none of {', '.join(map(repr, arguments))}."
                f"{did_you_mean(value, map(str, arguments))}"
            )
        return value
    if origin in (tuple, list, Sequence):
        return _convert_sequence(arguments, value, where)
    if origin in (dict, Mapping):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} = {value!r} should be a table.")
        return {k: _convert(arguments[1], v, f"{where}.{k}") for k, v in value.items()}
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} = {value!r} should be a table of its own.")
        return from_mapping(typing.cast(type, hint), value, where=where)
    return _convert_scalar(hint, value, where)


def _convert_union(options: tuple[Any, ...], value: Any, where: str) -> Any:
    """Return ``value`` as the first option that takes it; the last refusal is raised."""
    if value is None and type(None) in options:
        return None
    chosen = _tagged(options, value, where)
    if chosen is not None:
        return _convert(chosen, value, where)
    refusals = []
    for option in options:
        if option is type(None):
            continue
        try:
            return _convert(option, value, where)
        except ConfigError as error:
            refusals.append(error)
    raise refusals[-1]


def _tagged(options: tuple[Any, ...], value: Any, where: str) -> Any:
    """Return the dataclass among ``options`` whose ``kind`` the table names, None if none has one.

    A table without ``kind`` means the first of them.
    """
    kinds = {
        field.default: option
        for option in options
        if dataclasses.is_dataclass(option)
        for field in dataclasses.fields(option)
        if field.name == "kind"
    }
    if not kinds or not isinstance(value, Mapping):
        return None
    kind = value.get("kind", next(iter(kinds)))
    if kind not in kinds:
        raise ConfigError(
            f"{where}.kind = {kind!r} is none of {', '.join(map(repr, kinds))}."
            f"{did_you_mean(str(kind), map(str, kinds))}"
        )
    return kinds[kind]


def _convert_sequence(arguments: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    """Return a tuple whose items have the annotated kinds."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ConfigError(f"{where} = {value!r} should be a list.")
    if len(arguments) == 2 and arguments[1] is Ellipsis or len(arguments) == 1:
        kinds = (arguments[0],) * len(value)
    else:
        kinds = arguments
    if len(kinds) != len(value):
        raise ConfigError(f"{where} = {value!r} should hold {len(kinds)} values.")
    return tuple(
        _convert(kind, item, f"{where}[{i}]")
        for i, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )


def _finite(value: int | float, where: str) -> float:
    """Return a number as a float; every setting is a finite one."""
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        shown = str(value) if isinstance(value, float) else f"{str(value)[:20]}..."
        raise ConfigError(f"{where} = {shown} is no finite number.")
    return found


def _convert_scalar(hint: Any, value: Any, where: str) -> Any:
    """Return a scalar of type ``hint``; an int is taken for a float, nothing else is cast."""
    if hint is Any:
        return value
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return _finite(value, where)
    if isinstance(hint, type) and issubclass(hint, Enum):
        try:
            return hint(value)
        except ValueError:
            names = [str(member.value) for member in hint]
            raise ConfigError(
                f"{where} = {value!r} is none of {', '.join(map(repr, names))}."
                f"{did_you_mean(str(value), names)}"
            ) from None
    if hint is Path and isinstance(value, str):
        return Path(value)
    wrong_bool = isinstance(value, bool) and hint is not bool
    if isinstance(hint, type) and (wrong_bool or not isinstance(value, hint)):
        raise ConfigError(f"{where} = {value!r} should be of type {hint.__name__}.")
    return value
