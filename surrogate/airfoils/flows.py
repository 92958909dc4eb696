"""Sections with the flow that a cheap solver finds around them: what pretraining needs, no labels.

All tensors are stacked, since every section of a set has equally many points and operating points.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from formwright.datasets.cases import Case, sections_batch
from formwright.datasets.errors import CorpusError
from formwright.surrogate.checkpoints import load_tensors, save_tensors


@dataclass(frozen=True, kw_only=True, slots=True)
class Flows:
    """Unlabeled sections and their flows.

    Attributes:
        pos: Contours, chords.
        conditions: ``alpha_deg``, ``reynolds``, ``ncrit``, each (sections, conditions).
        fields: By name, ``*_top`` and ``*_bottom``, each (sections, conditions, stations).
        answers: The cheap solver's own labels by name, each (sections, conditions); may be none.
    """

    pos: Float[Tensor, "sections points 2"]
    conditions: Mapping[str, Float[Tensor, "sections conditions"]]
    fields: Mapping[str, Float[Tensor, "sections conditions stations"]]
    answers: Mapping[str, Float[Tensor, "sections conditions"]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse flows that hold NaN."""
        tensors = {"pos": self.pos, **self.conditions, **self.fields, **self.answers}
        for name, value in tensors.items():
            if not torch.isfinite(value).all():
                bad = (~torch.isfinite(value)).flatten(1).any(1).nonzero()[:, 0].tolist()
                raise CorpusError(
                    f"{name!r} is not finite in {len(bad)} of {len(value)} sections (the first: "
                    f"{bad[:5]}): leave out the points that the solver did not converge on."
                )

    def __len__(self) -> int:
        """Return the number of sections."""
        return len(self.pos)

    def batch(self, rows: Int[Tensor, " cases"]) -> Case:
        """Return some sections as one batch of cases, fields as attributes."""
        case = sections_batch(self.pos[rows], {k: v[rows] for k, v in self.conditions.items()})
        for name, value in {**self.fields, **self.answers}.items():
            case[name] = value[rows].flatten(0, 1)
        return case

    def select(self, rows: Int[Tensor, " cases"]) -> Flows:
        """Return some of the sections."""
        return Flows(
            pos=self.pos[rows],
            conditions={k: v[rows] for k, v in self.conditions.items()},
            fields={k: v[rows] for k, v in self.fields.items()},
            answers={k: v[rows] for k, v in self.answers.items()},
        )

    def save(self, path: str | os.PathLike[str], header: Mapping[str, Any] | None = None) -> None:
        """Write one safetensors file, atomically, with a header of one's own."""
        tensors = {f"condition.{k}": v for k, v in self.conditions.items()}
        tensors |= {f"field.{k}": v for k, v in self.fields.items()}
        tensors |= {f"answer.{k}": v for k, v in self.answers.items()}
        save_tensors(path, {"pos": self.pos, **tensors}, {**(header or {}), "kind": "flows"})


def load_flows(path: str | os.PathLike[str]) -> Flows:
    """Read what ``Flows.save`` wrote.

    Raises:
        CheckpointError: The file is absent, damaged or of a newer format.
        CorpusError: It holds something else.
    """
    tensors, header = load_tensors(path)
    if header.get("kind") != "flows":
        raise CorpusError(f"{str(path)!r} holds {header.get('kind', 'weights')!r}, not flows.")
    parts: dict[str, dict[str, Tensor]] = {"condition": {}, "field": {}, "answer": {}}
    for name, value in tensors.items():
        if "." in name:
            part, key = name.split(".")
            parts[part][key] = value
    return Flows(
        pos=tensors["pos"],
        conditions=parts["condition"],
        fields=parts["field"],
        answers=parts["answer"],
    )


def join(parts: Sequence[Flows]) -> Flows:
    """Return the sections of several sets as one."""
    return Flows(
        pos=torch.cat([part.pos for part in parts]),
        conditions={
            k: torch.cat([part.conditions[k] for part in parts]) for k in parts[0].conditions
        },
        fields={k: torch.cat([part.fields[k] for part in parts]) for k in parts[0].fields},
        answers={k: torch.cat([part.answers[k] for part in parts]) for k in parts[0].answers},
    )
