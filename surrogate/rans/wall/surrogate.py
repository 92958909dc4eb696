"""The surrogate of RANS: section and conditions -> lift, drag, moment and wall pressure.

Potential flow and the polar of natural transition are corrected by networks along the wall
(``wall.network``), which learned from XFoil with forced transition first and from some RANS cases
last. Several of them, fine-tuned from different seeds, answer together: their mean is the answer,
their spread is what the intervals are scaled by (Lakshminarayanan et al. 2017).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from formwright.datasets.airfoils.sections import SectionLike, load_section
from formwright.datasets.cases import Batch, Case
from formwright.datasets.conditions import check, warn_outside
from formwright.datasets.rans.data import FORCES
from formwright.datasets.solvers.result import N_STATIONS, POLAR_FIELDS, POLAR_LABELS
from formwright.surrogate.airfoils.polar import PolarConfig, PolarSurrogate, answered
from formwright.surrogate.airfoils.questions import Numbers, Sections, question
from formwright.surrogate.model import Prediction, Surrogate
from formwright.surrogate.rans.wall.flow import EVEN, FORCE_SCALE, ODD, WHOLE, WallFlow, wall_flow
from formwright.surrogate.rans.wall.network import WallNet, WallView
from formwright.surrogate.table import Table, columns_of, stacked
from formwright.surrogate.uncertainty.conformal import LEVEL
from formwright.surrogate.uncertainty.support import SUPPORT, Described, Support, growth

RANS_LABELS: Final = tuple(label for label in POLAR_LABELS if label.name in FORCES)
DEFAULT_RANGE: Final[Mapping[str, tuple[float, float]]] = {
    "alpha_deg": (-5.0, 15.0),
    "reynolds": (1e6, 9e6),
}
LEAST_SPREAD: Final = 0.1
"""Of an error, in units of ``FORCE_SCALE``, however well the networks agree."""
_ROWS_AT_ONCE: Final = 512


@dataclass(frozen=True, kw_only=True, slots=True)
class RansConfig:
    """The architecture, saved beside the weights.

    Attributes:
        channels: Of a station.
        blocks: Convolutions along the wall.
        hidden: Half the length of the vector of a case.
        members: Networks that answer together.
        polar: Of the surrogate of natural transition.
    """

    channels: int = 32
    blocks: int = 5
    hidden: int = 64
    members: int = 4
    polar: PolarConfig = field(default_factory=PolarConfig)

    def network(self) -> WallNet:
        """Return a network along the wall, untrained."""
        return WallNet(
            even=EVEN,
            odd=ODD,
            whole=WHOLE,
            channels=self.channels,
            blocks=self.blocks,
            hidden=self.hidden,
        )


class WallPrediction(NamedTuple):
    """What the networks predict of points.

    Attributes:
        cp: Pressure coefficient at the stations, in the order of a contour.
        forces: Lift, logarithm of drag, and moment.
        spread: Of the forces over the networks, in units of ``FORCE_SCALE``; beyond what was
            learned it grows as ``support`` does.
        support: How far points are from what was learned, beyond 1 outside; None where not known.
    """

    cp: Float[Tensor, "points ring"]
    forces: Float[Tensor, "points 3"]
    spread: Float[Tensor, "points 3"]
    support: Float[Tensor, " points"] | None


class RansSurrogate(Surrogate):
    """A stand-in for steady RANS with k-omega SST, turbulent from the nose on.

    Attributes:
        config: The architecture.
        polar: The surrogate of natural transition.
        members: Networks along the wall.
        training_range: Of each condition, where the training data lies.
    """

    labels = RANS_LABELS
    fields = POLAR_FIELDS

    def __init__(
        self,
        config: RansConfig | None = None,
        training_range: Mapping[str, tuple[float, float]] | None = None,
        polar: PolarSurrogate | None = None,
    ) -> None:
        """Build an untrained surrogate, which adds nothing to the polar and the potential flow."""
        super().__init__()
        self.config = config or RansConfig()
        self.training_range = dict(training_range or DEFAULT_RANGE)
        self.polar = polar or PolarSurrogate(self.config.polar)
        self.members = nn.ModuleList(self.config.network() for _ in range(self.config.members))
        self.calibration = nn.Buffer(torch.ones(len(FORCES)))
        self.support = Support(2 * N_STATIONS * (EVEN + ODD) + WHOLE)

    def predict_walls(self, flow: WallFlow) -> WallPrediction:
        """Return pressure and forces of points from what is known of them."""
        view = flow.view()
        pairs = [flow.corrected(member(view)) for member in self.members]
        cp = torch.stack([cp for cp, _ in pairs]).mean(0)
        forces = torch.stack([forces for _, forces in pairs])
        off = (forces - forces.mean(0)) / forces.new_tensor(FORCE_SCALE)
        spread = (off.square().mean(0) + LEAST_SPREAD**2).sqrt()
        support = self.support(seen_of(view)) if self.support.known else None
        if support is not None:
            spread = spread * growth(support).to(spread)[:, None]
        return WallPrediction(cp, forces.mean(0), spread, support)

    def half_widths(self, prediction: WallPrediction) -> Float[Tensor, "points 3"]:
        """Return half the calibrated interval of lift, logarithm of drag, and moment."""
        scale = prediction.forces.new_tensor(FORCE_SCALE)
        return prediction.spread * self.calibration.to(prediction.spread) * scale

    def forward(self, batch: Case, *, fields: bool = False) -> Prediction:
        """Predict every operating point of a batch, differentiably.

        Args:
            batch: Sections with ``alpha_deg`` and ``reynolds``; Ncrit is not looked at.
            fields: Also return ``cp_top`` and ``cp_bottom`` at ``solvers.result.stations()``.
        """
        predicted = self.predict_walls(wall_flow(self.polar, batch))
        top, bottom = predicted.cp[:, :N_STATIONS].flip(1), predicted.cp[:, N_STATIONS:]
        walls = {"cp_top": top, "cp_bottom": bottom} if fields else {}
        answer = answered(FORCES, predicted.forces, self.half_widths(predicted), walls)
        return replace(answer, support=predicted.support)

    def predict(
        self,
        sections: Sections,
        *,
        alpha_deg: Numbers,
        reynolds: Numbers,
        fields: bool = False,
    ) -> Table:
        """Predict sections at operating points, with intervals; shapes as of the polar.

        One section has the shape of its conditions: a number has none, M numbers are (M,). N
        sections at M points are (N, M), at one point (N,).

        ```python
        table = formwright.load("rans-2d").predict("e387", alpha_deg=[0, 4], reynolds=3e6)
        table["cd"], table["cd_upper"], table["support"]  # each (2,)
        ```

        Args:
            sections: As ``PolarSurrogate.predict`` takes them.
            alpha_deg: Incidence in the axes of the section's file, degrees; of N sections (M,) for
                all of them, (N, 1) for one a section, or (N, M).
            reynolds: On the chord; broadcasts with the other.
            fields: Also predict ``cp_top`` and ``cp_bottom``, (..., 32), at ``Table.stations``.

        Returns:
            ``cl``, ``cd``, ``cm``, and of each ``_std``, ``_lower`` and ``_upper``, and, where the
            surrogate knows, ``support``: how far the flow along the wall is from those that it
            learned from. Beyond 1 the numbers are guesses, which ``flags`` say.

        Raises:
            SectionError: A section that is none.
            ConditionError: A condition without meaning, or shapes that do not broadcast.
        """
        requested = question(sections, {"alpha_deg": alpha_deg, "reynolds": reynolds})
        contours, own = _own(requested.sections, requested.index, requested.conditions)
        warn_outside(own, self.training_range, stacklevel=2)
        predicted = list(self._predicted(contours, requested.index, own, fields=fields))
        cp = stacked(
            [{name: part.numpy() for name, part in one.fields.items()} for one in predicted]
        )
        columns = stacked([columns_of(one) for one in predicted])
        return requested.answer(self.labels, columns, cp, own, self.training_range)

    def predict_rows(
        self,
        sections: Sequence[SectionLike],
        section_index: Int[np.ndarray, " rows"],
        alpha_deg: Float[np.ndarray, " rows"],
        reynolds: Float[np.ndarray, " rows"],
        ncrit: Float[np.ndarray, " rows"] | None = None,
        *,
        spread: bool = True,
    ) -> dict[str, np.ndarray]:
        """Predict a table: each row one of ``sections`` at one operating point.

        Args:
            sections: NACA names, database names, ``.dat`` paths, coordinate arrays or CST vectors.
            section_index: Of each row.
            alpha_deg: Incidence in the axes of the section's file, degrees.
            reynolds: On the chord.
            ncrit: Not looked at: the flow is turbulent from the nose on.
            spread: Also return standard deviations.

        Returns:
            ``cl``, ``cd``, ``cm``, ``support`` (see ``predict``) and, with ``spread``, ``cl_std``
            and so on, each (rows,).

        Raises:
            SectionError: A section that is none.
            ConditionError: A condition without meaning.
        """
        given = {"alpha_deg": alpha_deg, "reynolds": reynolds}
        contours, own = _own(sections, section_index, given)
        warn_outside(own, self.training_range, stacklevel=2)
        parts: list[dict[str, np.ndarray]] = []
        for predicted in self._predicted(contours, section_index, own):
            values = {name: predicted.mean[name].numpy() for name in FORCES}
            deviations = {f"{name}_std": predicted.std[name].numpy() for name in FORCES}
            far = {} if predicted.support is None else {SUPPORT: predicted.support.numpy()}
            parts.append({**values, **(deviations if spread else {}), **far})
        return stacked(parts)

    def _predicted(
        self,
        contours: Sequence[Tensor],
        index: Int[np.ndarray, " rows"],
        own: Mapping[str, Float[np.ndarray, " rows"]],
        *,
        fields: bool = False,
    ) -> Iterator[Prediction]:
        """Yield what is said of the rows, some at a time; of none, nothing in the same columns."""
        rows = np.arange(len(index))
        if not len(rows):
            yield self._nothing(fields)
            return
        for part in np.split(rows, range(_ROWS_AT_ONCE, len(rows), _ROWS_AT_ONCE)):
            used, case = np.unique(index[part], return_inverse=True)
            batch = _joined([contours[i] for i in used])
            batch.condition_batch = torch.from_numpy(case.reshape(-1))
            batch.alpha_deg = torch.from_numpy(own["alpha_deg"][part])
            batch.reynolds = torch.from_numpy(np.asarray(own["reynolds"][part], dtype=np.float64))
            with torch.no_grad():
                predicted = self(batch, fields=fields)
            yield predicted

    def _nothing(self, fields: bool) -> Prediction:
        """Return a prediction of no points."""
        none = {name: torch.zeros(0) for name in FORCES}
        walls = {quantity.name: torch.zeros(0, N_STATIONS) for quantity in POLAR_FIELDS}
        return Prediction(
            mean=none,
            std=none,
            lower=none,
            upper=none,
            level=LEVEL,
            fields=walls if fields else {},
            support=torch.zeros(0) if self.support.known else None,
        )


def _own(
    sections: Sequence[SectionLike],
    index: Int[np.ndarray, " rows"],
    given: Mapping[str, Float[np.ndarray, " rows"]],
) -> tuple[list[Tensor], dict[str, Float[np.ndarray, " rows"]]]:
    """Return the contours of sections, and the conditions in their own axes.

    Raises:
        SectionError: A section that is none.
        ConditionError: A condition without meaning.
    """
    check(given)
    loaded = [load_section(section) for section in sections]
    turned = np.array([section.placement.rotation_deg for section in loaded])
    return [one.pos for one in loaded], {**given, "alpha_deg": given["alpha_deg"] + turned[index]}


def seen_of(view: WallView) -> Described:
    """Return what is compared with the training cases: all that the networks see of the wall.

    The vectors that they make of it tell no circle from a section.
    """
    stations = torch.cat([view.even, view.odd], 1).flatten(1)
    features = torch.cat([stations, view.even_whole, view.odd_whole], 1)
    return Described(features, features[:, :0])


def _joined(contours: Sequence[Tensor]) -> Case:
    """Return sections, (points, 2) each, as a batch without conditions."""
    lengths = torch.tensor([0, *(len(pos) for pos in contours)])
    return Batch(pos=torch.cat([pos.double() for pos in contours]), ptr=lengths.cumsum(0))
