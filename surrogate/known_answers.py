"""Known answers: what a surrogate said of reference cases when it was saved, asked again at load.

Names and shapes that fit do not prove that weights mean what they meant: a file may be damaged, and
code may read them in another way than the code that trained them. The reference cases are written
out beside their kind and must never change; they need not be physical.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

import torch

from formwright.datasets.cases import Case
from formwright.datasets.errors import CheckpointError
from formwright.surrogate.model import Surrogate
from formwright.surrogate.uncertainty.support import SUPPORT

TOLERANCE: Final = 1e-4
"""Allowed difference, in the unit of each label."""


def answers(surrogate: Surrogate, question: Case) -> dict[str, list[float]]:
    """Return means, ends of intervals, fields in the mean, and support, of cases of a question.

    Raises:
        CheckpointError: An answer is not finite.
    """
    requested = deepcopy(surrogate).cpu().eval()
    with torch.no_grad():
        predicted = requested(question, fields=True)
    result = {
        f"{name} {part}": values.double().tolist()
        for part in ("mean", "lower", "upper")
        for name, values in getattr(predicted, part).items()
    }
    result |= {name: values.double().mean(-1).tolist() for name, values in predicted.fields.items()}
    result |= {} if predicted.support is None else {SUPPORT: predicted.support.tolist()}
    wrong = [name for name, values in result.items() if not torch.tensor(values).isfinite().all()]
    if wrong:
        raise CheckpointError(
            f"the surrogate does not answer its reference cases with finite numbers "
            f"({', '.join(wrong)}): its weights are not fit for use."
        )
    return result


def check_answers(
    surrogate: Surrogate, question: Case, known: Mapping[str, Sequence[Any]], source: str
) -> None:
    """Refuse a surrogate that no longer says what it said.

    Args:
        surrogate: As loaded.
        question: That of its kind.
        known: The answers when it was saved.
        source: Where the weights come from, for the message.

    Raises:
        CheckpointError: An answer is off by more than ``TOLERANCE``.
    """
    found = answers(surrogate, question)
    for name, before in known.items():
        now = torch.tensor(found.get(name, []), dtype=torch.float64)
        then = torch.tensor(before, dtype=torch.float64)
        off = float((now - then).abs().max()) if now.shape == then.shape else float("inf")
        if off > TOLERANCE:
            raise CheckpointError(
                f"the weights of {source!r} do not answer as they did when they were saved: "
                f"{name!r} of the reference cases is off by {off:.3g} (allowed {TOLERANCE:g}). The "
                "file is damaged, or this formwright reads it in another way than the one that "
                "wrote it: copy the file again, or use that version."
            )
