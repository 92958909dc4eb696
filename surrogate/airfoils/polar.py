"""The surrogate of a polar: section and operating point -> lift, drag, moment, transition, Cp."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from formwright.datasets.airfoils import cst
from formwright.datasets.airfoils.contours import read_contours
from formwright.datasets.airfoils.sections import SectionLike, load_section
from formwright.datasets.airfoils.surface import stations_y
from formwright.datasets.cases import Batch, Case
from formwright.datasets.conditions import check, warn_outside
from formwright.datasets.solvers.result import N_STATIONS, POLAR_FIELDS, POLAR_LABELS
from formwright.surrogate.airfoils.conditioned import Conditioned
from formwright.surrogate.airfoils.encoder import ContourMLP, mirrored, rings
from formwright.surrogate.airfoils.questions import Numbers, Sections, question
from formwright.surrogate.model import Prediction, Surrogate
from formwright.surrogate.table import PARTS, Table
from formwright.surrogate.uncertainty.conformal import LEVEL, NORMAL_QUANTILE
from formwright.surrogate.uncertainty.support import SUPPORT, Support, growth

LABELS: Final = tuple(label.name for label in POLAR_LABELS)
_CENTRE: Final = (0.0, -4.1, 0.0, 0.5, 0.5)
_SCALE: Final = (0.7, 0.8, 0.05, 0.38, 0.38)
LOG_SPREADS: Final = (-9.0, 3.0)
"""Least and largest logarithm of an expected error, on the scale of training."""
_ROWS_AT_ONCE: Final = 1024
_COLUMNS: Final = tuple(f"{label}{end}" for end in PARTS.values() for label in LABELS)
_CONDITIONS: Final = ("alpha_deg", "reynolds", "ncrit")


@dataclass(frozen=True, kw_only=True, slots=True)
class PolarConfig:
    """The architecture, saved beside the weights.

    Attributes:
        stations: Heights a side that the encoder reads.
        encoder_hidden: Widths of the encoder's hidden layers.
        embedding: Length of one half of a section's embedding.
        hidden: Pairs a layer of the trunk.
        layers: Layers of the trunk.
    """

    stations: int = 32
    encoder_hidden: tuple[int, ...] = (384, 256)
    embedding: int = 128
    hidden: int = 192
    layers: int = 4

    def network(self) -> Conditioned:
        """Return encoder and trunk, untrained."""
        encoder = ContourMLP(
            stations=self.stations, hidden=self.encoder_hidden, embedding=self.embedding
        )
        return Conditioned(encoder, self.hidden, self.layers)


class PolarSurrogate(Surrogate):
    """Encoder, mirrored trunk and heads; a stand-in for XFoil over a wide range.

    Lift and moment change sign with the mirror, drag keeps, transition and pressure change sides:
    by construction. Mach numbers are taken but not looked at: the training data is incompressible.

    Attributes:
        config: The architecture.
        network: Encoder and trunk.
        training_range: Of each condition, where the training data lies.
    """

    labels = POLAR_LABELS
    fields = POLAR_FIELDS

    def __init__(
        self,
        config: PolarConfig | None = None,
        training_range: Mapping[str, tuple[float, float]] | None = None,
        network: Conditioned | None = None,
    ) -> None:
        """Build an untrained surrogate, on a given (pretrained) network or a new one."""
        super().__init__()
        self.config = config or PolarConfig()
        self.training_range = dict(training_range or DEFAULT_RANGE)
        self.network = network or self.config.network()
        hidden = self.network.width // 2
        self.turns = nn.Linear(hidden, 2, bias=False)
        self.keeps = nn.Linear(hidden, 1)
        self.side = nn.Linear(hidden, 1)
        self.pressure = nn.Linear(hidden, N_STATIONS)
        self.spread = nn.Linear(hidden, 3)
        self.side_spread = nn.Linear(hidden, 1)
        self.centre = nn.Buffer(torch.tensor(_CENTRE))
        self.scale = nn.Buffer(torch.tensor(_SCALE))
        self.calibration = nn.Buffer(torch.ones(len(LABELS)))
        self.support = Support(2 * self.config.stations + self.network.width)

    def means(self, vector: Float[Tensor, "points width"]) -> Float[Tensor, "points labels"]:
        """Read the labels, on the scale of training, from the trunk's vectors."""
        own, mirrored = vector.chunk(2, -1)
        cl, cm = self.turns(0.5 * (own - mirrored)).split(1, -1)
        cd = self.keeps(0.5 * (own + mirrored))
        return torch.cat([cl, cd, cm, self.side(own), self.side(mirrored)], -1)

    def log_spreads(self, vector: Float[Tensor, "points width"]) -> Float[Tensor, "points labels"]:
        """Read the logarithm of the expected error of ``means``."""
        own, mirrored = vector.chunk(2, -1)
        keeps = self.spread(0.5 * (own + mirrored))
        return torch.cat([keeps, self.side_spread(own), self.side_spread(mirrored)], -1)

    def pressures(
        self, vector: Float[Tensor, "points width"]
    ) -> Float[Tensor, "points 2 stations"]:
        """Read the pressure coefficients on the upper and on the lower side."""
        return torch.stack([self.pressure(half) for half in vector.chunk(2, -1)], 1)

    def half_widths(self, vector: Float[Tensor, "points width"]) -> Float[Tensor, "points labels"]:
        """Return half the calibrated interval, in the labels' units (of ln cd for cd)."""
        spread = self.log_spreads(vector).clamp(*LOG_SPREADS).exp()
        return spread * self.calibration * self.scale

    def supported(
        self, vector: Float[Tensor, "points width"], ring: Float[Tensor, "points heights"]
    ) -> Float[Tensor, " points"] | None:
        """Return how far points are from what was learned, beyond 1 outside; None if not known.

        Both count: the heights of the section, which tell a circle from a section, and the vector
        that the trunk makes of it, whose distance goes with the error. A case is as far as the
        nearer of its two mirror images.
        """
        if not self.support.known:
            return None
        own = self.support.of_parts(ring, vector)
        other = self.support.of_parts(mirrored(ring), vector, vector.shape[1] // 2)
        return torch.minimum(own, other)

    def forward(self, batch: Case, *, fields: bool = False) -> Prediction:
        """Predict every operating point of a batch, differentiably.

        Args:
            batch: Sections with ``alpha_deg``, ``reynolds`` and ``ncrit``.
            fields: Also predict ``cp_top`` and ``cp_bottom`` at ``solvers.result.stations()``.
        """
        vector = self.network(batch)
        middle = (self.means(vector) * self.scale + self.centre).to(batch.alpha_deg)
        half = self.half_widths(vector).to(batch.alpha_deg)
        support = None
        if self.support.known:
            ring = rings(batch, self.config.stations)[batch.condition_batch]
            support = self.supported(vector, ring.to(vector))
        if support is not None:
            support = support.to(batch.alpha_deg)
            half = half * growth(support)[:, None]
        cp: dict[str, Tensor] = {}
        if fields:
            cp["cp_top"], cp["cp_bottom"] = self.pressures(vector).unbind(1)
        return replace(answered(LABELS, middle, half, cp), support=support)

    def predict(
        self,
        sections: Sections,
        *,
        alpha_deg: Numbers,
        reynolds: Numbers,
        ncrit: Numbers = 9.0,
        fields: bool = False,
    ) -> Table:
        """Predict sections at operating points, with intervals.

        One section has the shape of its conditions: a number has none, M numbers are (M,). N
        sections at M points are (N, M), at one point (N,). Conditions are numbers, lists, arrays or
        tensors.

        ```python
        table = formwright.load("airfoil-polar").predict("e387", alpha_deg=[0, 4], reynolds=1e6)
        table["cl"], table["cl_lower"], table["cl_upper"]  # each (2,)
        table.to_dataframe()  # two rows
        ```

        Args:
            sections: One or a list of: NACA names, database names, paths of files (``load_section``
                has all of them), arrays of points, (P, 2), or of CST weights, objects with
                ``coordinates`` such as AeroSandbox's ``Airfoil``.
            alpha_deg: Incidence in the axes of the section's file, degrees; of N sections (M,) for
                all of them, (N, 1) for one a section, or (N, M).
            reynolds: Reynolds number; broadcasts with the others.
            ncrit: Amplification exponent; broadcasts.
            fields: Also predict ``cp_top`` and ``cp_bottom``, (..., 32), at ``Table.stations``.

        Returns:
            ``cl``, ``cd``, ``cm``, ``xtr_top``, ``xtr_bottom``, and of each ``_std``, ``_lower``
            and ``_upper``, and, where the surrogate knows, ``support``: how far section and point
            are from those that it learned from. ``flags`` say where a number is a guess: outside
            the training range, or with a support beyond 1.

        Raises:
            SectionError: A section that is none.
            ConditionError: A condition without meaning, or shapes that do not broadcast.
        """
        requested = question(
            sections, {"alpha_deg": alpha_deg, "reynolds": reynolds, "ncrit": ncrit}
        )
        ring, own = self._own(requested.sections, requested.index, requested.conditions)
        warn_outside(own, self.training_range, stacklevel=2)
        read = partial(self._columns, ends=True, fields=fields)
        table = self._each(read, ring, requested.index, own).numpy()
        names = (*_COLUMNS, *self._far())
        columns = dict(zip(names, table.T, strict=False))
        walls = np.split(table[:, len(names) :], len(POLAR_FIELDS), 1) if fields else ()
        names = [quantity.name for quantity in POLAR_FIELDS]
        cp = dict(zip(names, walls, strict=True)) if fields else {}
        return requested.answer(self.labels, columns, cp, own, self.training_range)

    def predict_rows(
        self,
        sections: Sequence[SectionLike],
        section_index: Int[np.ndarray, " rows"],
        alpha_deg: Float[np.ndarray, " rows"],
        reynolds: Float[np.ndarray, " rows"],
        ncrit: Float[np.ndarray, " rows"],
        *,
        spread: bool = True,
    ) -> dict[str, np.ndarray]:
        """Predict a table: each row one of ``sections`` at one operating point.

        Every section is encoded once, however many rows it has.

        Returns:
            Every label and, with ``spread``, its standard deviation (``cl_std``) and, where the
            surrogate knows it, ``support`` (see ``predict``), each (rows,).

        Raises:
            SectionError: A section that is none.
            ConditionError: A condition without meaning.
        """
        given = {str(n): v for n, v in zip(_CONDITIONS, (alpha_deg, reynolds, ncrit), strict=True)}
        ring, own = self._own(sections, section_index, given)
        warn_outside(own, self.training_range, stacklevel=2)
        table = self._each(partial(self._columns, spread=spread), ring, section_index, own).numpy()
        names = _COLUMNS[: table.shape[1] - len(self._far())] if spread else _COLUMNS
        return dict(zip((*names, *self._far()), table.T, strict=False))

    def _far(self) -> tuple[str, ...]:
        """Return the name of the column that says how far a point is, if that is known."""
        return (SUPPORT,) if self.support.known else ()

    def _own(
        self,
        sections: Sequence[SectionLike],
        index: Int[np.ndarray, " rows"],
        given: Mapping[str, Float[np.ndarray, " rows"]],
    ) -> tuple[Tensor, dict[str, Float[np.ndarray, " rows"]]]:
        """Return the heights of the sections, and the conditions in their own axes.

        Raises:
            SectionError: A section that is none.
            ConditionError: A condition without meaning.
        """
        check(given)
        ring, turned = read_rings(sections, self.config.stations)
        return ring, {**given, "alpha_deg": given["alpha_deg"] + turned[index]}

    def _each(
        self,
        read: Callable[[Tensor, Tensor], Tensor],
        ring: Tensor,
        section_index: Int[np.ndarray, " rows"],
        own: Mapping[str, Float[np.ndarray, " rows"]],
    ) -> Tensor:
        """Return what is read from the trunk's vector of each row, some rows at a time."""
        index = torch.as_tensor(section_index)
        points = torch.from_numpy(np.array([own[n] for n in _CONDITIONS], dtype=np.float32))
        with torch.inference_mode():
            cases = self.network.cases(Batch(rings=ring))
            chunks = zip(*(c.split(_ROWS_AT_ONCE) for c in (index, *points)), strict=True)
            heights = ring.to(cases)
            return torch.cat(
                [read(self.network.points(cases, *chunk), heights[chunk[0]]) for chunk in chunks]
            )

    def _columns(
        self,
        vector: Tensor,
        ring: Tensor,
        *,
        spread: bool = True,
        ends: bool = False,
        fields: bool = False,
    ) -> Tensor:
        """Return means, and perhaps deviations, ends of intervals and pressures: (rows, ...)."""
        middle = self.means(vector) * self.scale + self.centre
        half = self.half_widths(vector) if spread else None
        far = self.supported(vector, ring) if spread else None
        if half is not None and far is not None:
            half = half * growth(far)[:, None]
        several = (middle, middle - half, middle + half) if ends and half is not None else (middle,)
        known = torch.stack(several)
        known[..., 1].exp_()
        known[..., 3:].clamp_(0.0, 1.0)
        mean, *interval = known
        parts = [mean]
        if half is not None:
            std = half / NORMAL_QUANTILE
            std[:, 1] *= mean[:, 1]
            parts += [std, *interval]
        if far is not None:
            parts.append(far[:, None])
        if fields:
            parts.append(self.pressures(vector).flatten(1))
        return torch.cat(parts, -1).double()


DEFAULT_RANGE: Final[Mapping[str, tuple[float, float]]] = {
    "alpha_deg": (-11.0, 17.0),
    "reynolds": (5e4, 1e7),
    "ncrit": (3.0, 13.0),
    "mach": (0.0, 0.1),
}


def answered(
    labels: Sequence[str],
    middle: Float[Tensor, "points labels"],
    half: Float[Tensor, "points labels"],
    fields: Mapping[str, Tensor],
) -> Prediction:
    """Return a prediction from what was regressed.

    Args:
        labels: Names of the columns.
        middle: Regressed values: drag as its logarithm.
        half: Half of each calibrated interval.
        fields: By name.
    """
    lower, mean, upper, std = ({} for _ in range(4))
    for i, label in enumerate(labels):
        ends = (middle[:, i] - half[:, i], middle[:, i], middle[:, i] + half[:, i])
        lower[label], mean[label], upper[label] = (_physical(label, value) for value in ends)
        std[label] = (mean[label] if label == "cd" else 1.0) * half[:, i] / NORMAL_QUANTILE
    return Prediction(mean=mean, std=std, lower=lower, upper=upper, level=LEVEL, fields=fields)


def _physical(label: str, value: Tensor) -> Tensor:
    """Return a label in its own unit from the scale of its regression."""
    if label == "cd":
        return value.exp()
    return value.clamp(0.0, 1.0) if label.startswith("xtr") else value


def read_rings(
    sections: Sequence[SectionLike], stations: int
) -> tuple[Float[Tensor, "sections heights"], Float[np.ndarray, " sections"]]:
    """Return the heights of any sections at the stations, and their rotation in degrees.

    CST vectors are evaluated at the stations directly; everything else is read as a contour.

    Raises:
        SectionError: One that is no section.
        UnknownNameError: A name that means none.
    """
    ring = torch.empty(len(sections), 2 * stations, dtype=torch.float64)
    turned = np.zeros(len(sections))
    vectors: dict[int, list[int]] = {}
    points: list[int] = []
    for i, section in enumerate(sections):
        shape = section.shape if isinstance(section, np.ndarray | Tensor) else ()
        if len(shape) == 1:
            vectors.setdefault(shape[0], []).append(i)
        elif len(shape) == 2 and shape[1] == 2:
            points.append(i)
        else:
            loaded = load_section(section)
            ring[i] = stations_y(loaded.pos, stations)
            turned[i] = loaded.placement.rotation_deg
    for rows in vectors.values():
        stack = np.stack([np.asarray(sections[i], dtype=np.float64) for i in rows])
        heights = cst.rings(torch.from_numpy(stack), stations)
        if len(rows) == len(sections):
            return heights, turned
        ring[rows] = heights
    if points:
        for group in read_contours([np.asarray(sections[i]) for i in points]):
            rows = [points[row] for row in group.rows]
            ring[rows] = stations_y(group.pos, stations)
            turned[rows] = group.rotation_deg
    return ring, turned
