"""Structures as training data: batches of any rows, their geometry prepared once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from formwright.datasets.atoms.structures import Structure, collate
from formwright.datasets.cases import Batch
from formwright.datasets.errors import CorpusError
from formwright.surrogate.atoms.encoder import AtomGNN

_AT_ONCE: Final = 64


class AtomCases:
    """Cases of atoms for ``pretrain`` and for fine-tuning.

    With ``prepared_for`` an encoder, what it needs of the geometry is computed here, once: training
    on structures that stay as they are is then 1.5 times as fast, and takes 128 radial bytes a pair
    of atoms of a case in memory. Views that move atoms need it absent.
    """

    def __init__(
        self,
        structures: Sequence[Structure],
        labels: Mapping[str, Any] | None = None,
        prepared_for: AtomGNN | None = None,
    ) -> None:
        """Hold the structures.

        Args:
            structures: One or more.
            labels: By name, one number a structure; integers stay integers.
            prepared_for: The encoder that will read them.

        Raises:
            CorpusError: There is none, or a label has another length.
        """
        if not structures:
            raise CorpusError("there is no structure to learn from.")
        self.structures = list(structures)
        self.labels = {name: _column(values) for name, values in (labels or {}).items()}
        for name, values in self.labels.items():
            if len(values) != len(self.structures):
                raise CorpusError(
                    f"{len(values)} values of {name!r} for {len(self.structures)} structures."
                )
        self.bases = None if prepared_for is None else self._prepare(prepared_for)

    def __len__(self) -> int:
        """Return the number of structures."""
        return len(self.structures)

    def fingerprint(self) -> tuple[list[Structure], dict[str, Tensor]]:
        """Return what the cases are, without what was computed from it."""
        return self.structures, self.labels

    def batch(self, rows: Int[Tensor, " cases"], *, prepared: bool = True) -> Batch:
        """Return some structures with their labels as one batch, positions in float64.

        Args:
            rows: Which.
            prepared: With what the encoder needs, where that is there.
        """
        chosen = [self.structures[i] for i in rows.tolist()]
        batch = collate(chosen, {name: values[rows] for name, values in self.labels.items()})
        if self.bases is not None and prepared:
            size = int(batch.ptr.diff().max())
            width = self.bases[0].shape[1]
            basis = torch.zeros(len(chosen), size, width, size)
            for k, i in enumerate(rows.tolist()):
                own = self.bases[i]
                basis[k, : len(own), :, : len(own)] = own
            batch.basis = basis
        return batch

    def select(self, rows: Int[Tensor, " cases"]) -> AtomCases:
        """Return some of the structures, nothing worked out."""
        chosen = [self.structures[i] for i in rows.tolist()]
        return AtomCases(chosen, {name: v[rows].numpy() for name, v in self.labels.items()})

    def _prepare(self, encoder: AtomGNN) -> list[Tensor]:
        """Return the basis of each structure, (atoms, 4 radial, atoms)."""
        bases: list[Tensor] = []
        for first in range(0, len(self), _AT_ONCE):
            some = self.structures[first : first + _AT_ONCE]
            with torch.no_grad():
                padded = encoder.basis(collate(some)).float()
            bases += [padded[k, : len(s), :, : len(s)].clone() for k, s in enumerate(some)]
        return bases


def _column(values: Any) -> Tensor:
    """Return one number a structure as a tensor, float32 or int64."""
    array = np.asarray(values)
    kind = np.int64 if np.issubdtype(array.dtype, np.integer) else np.float32
    return torch.from_numpy(array.astype(kind))
