"""How far a surrogate is from the labels of a corpus, whatever its kind."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from formwright.datasets.config import override
from formwright.surrogate.kinds import Kind, Scores
from formwright.surrogate.zoo import kind_named, kind_of


def evaluate(
    surrogate: Any,
    corpus: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    split: str = "test",
    kind: Kind | str | None = None,
    **settings: Any,
) -> Scores:
    """Compare a surrogate with the labels of one split of a corpus.

    Args:
        surrogate: Fitted.
        corpus: Folder or file, or several, as its kind reads them.
        split: ``train``, ``validation`` or ``test``; the last is looked at once.
        kind: Of the surrogate, where it is one of your own.
        settings: Of reading, as in the settings of ``fit``: ``label="e_h_ev"``.

    Raises:
        CorpusError: The split is empty.
        ConfigError: A setting that there is not.

    Example:
        >>> import formwright
        >>> scores = formwright.evaluate(formwright.load("airfoil-polar"), "corpora/polars")
        >>> scores.error["cl"] < 0.05 and scores.coverage["cl"] > 0.8
        True
    """
    result = kind_of(surrogate) if kind is None else kind_named(kind)
    one = isinstance(corpus, str | os.PathLike)
    paths = [Path(corpus)] if one else [Path(path) for path in corpus]  # pyright: ignore
    how = override(result.training(None, {}), settings, where="settings")
    return result.score(surrogate, result.read(paths, how, split, None))
