"""What commands print when they are done: a line for people, or one JSON object."""

from __future__ import annotations

import json as encoder
from collections.abc import Mapping
from typing import Any


def tell(line: str, figures: Mapping[str, Any], *, json: bool) -> None:
    """Print a line, or the figures as JSON, in which what is not finite is null."""
    from formwright.design.records import plain

    print(encoder.dumps(plain(figures), allow_nan=False) if json else line)


def split_names(names: list[str] | None) -> list[str]:
    """Return the names, those joined by commas apart."""
    return [part.strip() for name in names or () for part in name.split(",") if part.strip()]
