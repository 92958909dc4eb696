"""The surrogate of adsorption energies: slab and adsorbate -> energy in eV, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from formwright.datasets.atoms.elements import COUNT
from formwright.datasets.atoms.files.structures import structure_list
from formwright.datasets.atoms.structures import (
    ADSORBATE,
    E_ADS,
    Structure,
    case_of,
    collate,
    with_neighbours,
)
from formwright.datasets.cases import Case
from formwright.datasets.errors import ConfigError
from formwright.surrogate.atoms.checks import formula, ready
from formwright.surrogate.atoms.encoder import AtomGNN
from formwright.surrogate.atoms.surroundings import GIVEN, REACH, WIDTH, described
from formwright.surrogate.model import Prediction, Surrogate
from formwright.surrogate.table import Table, columns_of, flagged
from formwright.surrogate.uncertainty.conformal import LEVEL, NORMAL_QUANTILE
from formwright.surrogate.uncertainty.support import SUPPORT, Support, add_remarks, growth

LABEL: Final = E_ADS.name
COLUMNS: Final = tuple(f"{LABEL}{part}" for part in ("", "_std", "_lower", "_upper"))
UNKNOWN: Final = "unknown_elements"
_AT_ONCE: Final = 64
_ANY: Final = 1e30


@dataclass(frozen=True, kw_only=True, slots=True)
class AdsorptionConfig:
    """The architecture, saved beside the weights.

    Attributes:
        channels: Scalars, and vectors, of an atom.
        layers: Rounds of messages.
        cutoff: Angstrom.
        radial: Functions of the distance.
        embedding: Length of the vector of a case.
        hidden: Width of the head.
        levels: Levels of theory or data sets, each with references of its own; a case says which
            by its attribute ``level``, and without one it is the first.
        adsorbates: What the adsorbates of the training data are made of, as ``checks.compositions``
            gives it; empty where that was not noted.

    Example:
        >>> import formwright
        >>> small = formwright.AdsorptionConfig(channels=16, layers=1, cutoff=4.0)
        >>> small.network().width
        128
    """

    channels: int = 64
    layers: int = 3
    cutoff: float = 6.0
    radial: int = 8
    embedding: int = 128
    hidden: int = 128
    levels: tuple[str, ...] = ("QE BEEF-vdW",)
    adsorbates: tuple[str, ...] = ()

    def network(self) -> AtomGNN:
        """Return the encoder, untrained."""
        return AtomGNN(
            channels=self.channels,
            layers=self.layers,
            cutoff=self.cutoff,
            radial=self.radial,
            embedding=self.embedding,
        )


class AdsorptionSurrogate(Surrogate):
    """Encoder and heads; a stand-in for a DFT relaxation from the ideal structure.

    The energy is a reference for each atom of the adsorbate, by level of theory, plus what the
    network says. It is differentiable in positions, cell and mixtures of elements, twice.

    Attributes:
        config: The architecture.
        encoder: Of the atoms.
        trained_on: Whether an element was in the training data, (95,).
        training_range: Empty: a case of atoms has no conditions.
    """

    labels = (E_ADS,)

    def __init__(
        self, config: AdsorptionConfig | None = None, encoder: AtomGNN | None = None
    ) -> None:
        """Build an untrained surrogate, on a given (pretrained) encoder or a new one."""
        super().__init__()
        self.config = config or AdsorptionConfig()
        self.training_range = {}
        self.encoder = encoder or self.config.network()
        hidden = self.config.hidden
        self.trunk = nn.Sequential(
            nn.SiLU(), nn.Linear(self.encoder.width, hidden), nn.SiLU(), nn.LayerNorm(hidden)
        )
        self.mean = nn.Linear(hidden, 1)
        self.spread = nn.Linear(hidden + COUNT + 1, 1)
        nn.init.zeros_(self.spread.weight)
        nn.init.zeros_(self.spread.bias)
        self.references = nn.Buffer(torch.zeros(len(self.config.levels), COUNT))
        self.base = nn.Buffer(torch.zeros(len(self.config.levels)))
        self.scale = nn.Buffer(torch.ones(()))
        self.calibration = nn.Buffer(torch.ones(()))
        self.doubt_range = nn.Buffer(torch.tensor([[-_ANY], [_ANY]]).repeat(1, hidden + COUNT + 1))
        self.support = Support(WIDTH, GIVEN)
        self.trained_on = nn.Buffer(torch.zeros(COUNT, dtype=torch.bool))

    def offsets(self, batch: Case) -> Float[Tensor, " cases"]:
        """Return the references of the adsorbate's atoms, eV."""
        level = levels(batch)
        return self.base[level] + (self.references[level] * composition(batch).to(self.base)).sum(1)

    def vectors(self, batch: Case) -> Float[Tensor, "cases hidden"]:
        """Return what the heads read."""
        return self.trunk(self.encoder(batch).per_case)

    def error_features(
        self, batch: Case, hidden: Float[Tensor, "cases hidden"]
    ) -> Float[Tensor, "cases doubts"]:
        """Return what the expected error is read from: the vector, the adsorbate, the alloying.

        Each stays inside the range that it had where the error was learned. No pure metal was
        among those cases: it is taken for as pure as the purest alloy there (a line that knows
        alloys of one to one and three to one says of a pure metal that nothing can go wrong).
        """
        parts = (hidden, composition(batch).to(hidden), purity(batch).to(hidden)[:, None])
        return torch.cat(parts, -1).clamp(*self.doubt_range)

    def outside(self, batch: Case) -> Float[Tensor, " cases"] | None:
        """Return how far each case is from what was learned, or None; beyond 1 it is a guess."""
        return self.support(described(batch)) if self.support.known else None

    def forward(self, batch: Case, *, fields: bool = False) -> Prediction:
        """Predict the adsorption energy of every case of a batch, differentiably."""
        if "edge_index" not in batch:
            batch = with_neighbours(batch, max(self.encoder.cutoff, REACH))
        hidden, support = self.vectors(batch), self.outside(batch)
        mean = self.offsets(batch) + self.scale * self.mean(hidden)[:, 0]
        error = self.spread(self.error_features(batch, hidden))[:, 0].exp()
        half = self.scale * self.calibration * error
        half = half if support is None else half * growth(support).to(half)
        return Prediction(
            mean={LABEL: mean},
            std={LABEL: half / NORMAL_QUANTILE},
            lower={LABEL: mean - half},
            upper={LABEL: mean + half},
            level=LEVEL,
            fields={},
            support=support,
        )

    def unknown(self, batch: Case) -> Bool[Tensor, " cases"]:
        """Return which cases hold an element that the training data had not."""
        strange = ~self.trained_on[batch.z]
        return torch.zeros(len(batch.ptr) - 1, dtype=torch.bool).index_put(
            (case_of(batch)[strange],), torch.tensor(True)
        )

    def predict(self, structures: Any, *, fields: bool = False) -> Table:
        """Predict slabs with an adsorbate, with intervals; nothing is relaxed.

        One structure alone has numbers without a shape; a list of N has the shape (N,).

        ```python
        slab = ase.build.fcc111("Pt", (2, 2, 4), vacuum=8)
        ase.build.add_adsorbate(slab, "O", 1.2, "fcc")
        table = formwright.load("adsorption-mamun").predict(slab)
        float(table["e_ads_ev"]), float(table["e_ads_ev_lower"]), float(table["e_ads_ev_upper"])
        ```

        Args:
            structures: One or a list of: ``Structure``, ASE's ``Atoms``, pymatgen's ``Structure``.
                Those of this package whose tags mark an adsorbate (2) are taken as they are; others
                are read as files are (tags, layer numbers of ``ase.build``, else a guess that is
                flagged) and checked.
            fields: There are none.

        Returns:
            ``e_ads_ev`` and its ``_std``, ``_lower`` and ``_upper`` at the level 0.9, eV, and
            ``unknown_elements``, whether a case holds an element outside of the training data,
            and, where the surrogate knows, ``support``, how far the surroundings of adsorbate
            and surface are from those of the training data: beyond 1 such a number is a guess, and
            its interval grows as ``support`` does. ``flags`` say what makes a number a guess.

        Raises:
            StructureError: Something is no structure, or no energy can be asked of it.
            UnknownNameError: The surrogate was not trained on its adsorbate.
            ConfigError: Fields are asked for.
        """
        if fields:
            raise ConfigError("an adsorption energy has no fields: leave out fields=True.")
        made, own, alone = structure_list(structures)
        fine, told = ready(self, made, own)
        columns = self._columns(fine)
        add_remarks(told, columns, range(len(fine)))
        shape = () if alone else (len(fine),)
        about = np.array([one.name or formula(one.elements) for one in fine], dtype=object)
        return Table(
            labels=self.labels,
            columns={name: values.reshape(shape) for name, values in columns.items()},
            flags=flagged(shape, told),
            about={"name": about.reshape(shape)},
            dims=() if alone else ("case",),
        )

    def _columns(self, structures: Sequence[Structure]) -> dict[str, np.ndarray]:
        """Return the columns of structures with tags, predicted in the order of their sizes."""
        order = np.argsort([len(one) for one in structures], kind="stable")
        table = {name: np.zeros(len(structures)) for name in COLUMNS}
        table[UNKNOWN] = np.zeros(len(structures), bool)
        table |= {SUPPORT: np.zeros(len(structures))} if self.support.known else {}
        for first in range(0, len(order), _AT_ONCE):
            index = order[first : first + _AT_ONCE]
            batch = collate([structures[i] for i in index])
            for name, part in self.predict_batch(batch).items():
                table[name][index] = part
        return table

    def predict_batch(self, batch: Case) -> dict[str, np.ndarray]:
        """Return the columns of ``predict`` of a batch."""
        with torch.inference_mode():
            return columns_of(self(batch)) | {UNKNOWN: self.unknown(batch).numpy()}


def levels(batch: Case) -> Int[Tensor, " cases"]:
    """Return the level of theory of each case, by its number; 0 where the batch says nothing."""
    return batch.level if "level" in batch else batch.ptr.new_zeros(len(batch.ptr) - 1)


def composition(batch: Case) -> Float[Tensor, "cases elements"]:
    """Return how many atoms of each element the adsorbate of each case has."""
    chosen = batch.tags == ADSORBATE
    counts = torch.zeros(len(batch.ptr) - 1, COUNT, device=batch.z.device)
    place = (case_of(batch)[chosen], batch.z[chosen])
    return counts.index_put(place, counts.new_ones(()), accumulate=True)


def purity(batch: Case) -> Float[Tensor, " cases"]:
    """Return the sum of the squared shares of the elements in each slab: 1 for a pure metal."""
    slab = batch.tags != ADSORBATE
    held = batch.mixture if "mixture" in batch else functional.one_hot(batch.z, COUNT).float()
    held, place = held[slab], case_of(batch)[slab]
    counts = held.new_zeros(len(batch.ptr) - 1, COUNT).index_add(0, place, held)
    return (counts / counts.sum(1, keepdim=True).clamp_min(1.0)).square().sum(1)
