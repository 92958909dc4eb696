"""``formwright models``: which surrogates and pretrained networks there are, and their cards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from formwright.commands.options import Json
from formwright.commands.output import tell

if TYPE_CHECKING:
    from formwright.surrogate.zoo import Model

SAVED: Final = Path("runs")
_MEGABYTE: Final = 1e6


def models(name: str | None = None, *, saved: Path = SAVED, json: Json = False) -> None:
    """List surrogates and pretrained networks: what each predicts, its size, its card.

    ```text
    formwright models
    formwright models airfoil-polar
    formwright models runs/mine --json
    ```

    Those that are shipped come first, then those that `fit` and `pretrain` wrote. With a name, the
    card is shown: what the model was trained on, how well it does, where it fails; of one without
    a card, where it comes from.

    Args:
        name: A shipped model, or the folder or file of a saved one.
        saved: Where saved models are looked for, in all folders below it.
    """
    from rich.markdown import Markdown

    from formwright.surrogate.zoo import list_models, model_of

    if name is None:
        known = list_models(saved if saved.is_dir() else None)
        if json:
            tell("", {"models": [entry(model) for model in known]}, json=True)
        else:
            show(known)
        return
    model = model_of(name)
    card = None if model.card is None else model.card.read_text(encoding="utf-8")
    if json:
        more = {"provenance": model.provenance, "card_text": card}
        tell("", {**entry(model), **more}, json=True)
    elif card is not None:
        console = Console()
        console.print(Markdown(card) if console.is_terminal else card, markup=False)
    else:
        show([model])
        for key, value in model.provenance.items():
            print(f"{key}: {value}")


def entry(model: Model) -> dict[str, Any]:
    """Return what is said of a model as JSON."""
    return {
        "name": model.name,
        "kind": model.kind,
        "pretrained": model.pretrained,
        "predicts": dict(model.labels),
        "fields": list(model.fields),
        "bytes": model.path.stat().st_size,
        "path": str(model.path),
        "card": None if model.card is None else str(model.card),
    }


def show(known: Sequence[Model]) -> None:
    """Print models as columns, the path of the card last."""
    rows = [("name", "kind", "predicts", "MB", "card")]
    for model in known:
        size = f"{model.path.stat().st_size / _MEGABYTE:.1f}"
        rows.append((model.name, model.kind, what(model), size, str(model.card or "-")))
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    for *cells, card in rows:
        print("  ".join(map(str.ljust, cells, wide)), card, sep="  ")


def what(model: Model) -> str:
    """Return what a model predicts, in words."""
    if model.pretrained:
        return "(to begin with: --pretrained)"
    fields = f"; fields {', '.join(model.fields)}" if model.fields else ""
    return f"{', '.join(model.labels)}{fields}"
