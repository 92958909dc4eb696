"""Views of a section: changed copies for which the labels of a polar stay the same.

``view(batch, generator) -> batch``, vectorised over the cases of the batch. The incidence, the
Reynolds number and Ncrit are conditions and never randomised; ``Incidence`` selects among the
operating points that a case has. A view with ``joint`` set changes operating points or labels too:
every branch of an objective must see the same copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import torch
from torch import Tensor

from formwright.datasets.cases import Batch, Case
from formwright.datasets.errors import ViewError
from formwright.datasets.solvers.result import POLAR_FIELDS, POLAR_LABELS
from formwright.surrogate.airfoils.curve import (
    arc_length,
    contours,
    interpolate,
    tangents,
    with_contours,
)
from formwright.surrogate.keeps import Keeps

_NAMES: Final = tuple(quantity.name for quantity in (*POLAR_LABELS, *POLAR_FIELDS))
_OF_POINTS: Final = frozenset({"pos", "batch", "ptr", "visible"})


def _all(keeps: Keeps, **others: Keeps) -> Mapping[str, Keeps]:
    """Return ``keeps`` for every label and field of a polar but for ``others``."""
    return {**dict.fromkeys(_NAMES, keeps), **others}


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    """Return float64 numbers between ``low`` and ``high``."""
    return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Repanel:
    """The same section through other points.

    Counts a side are drawn for the batch, the spacing for each case: between equal steps of arc
    (0) and of its cosine (1). New points lie on the cubic Hermite curve through the old ones, so
    the shape moves by less than 5e-5 chord where the old contour has 100 points a side.

    Attributes:
        kind: Its name in a configuration file.
        fewest: Least points a side.
        most: Most points a side.
    """

    kind: Literal["repanel"] = "repanel"
    fewest: int = 60
    most: int = 160
    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return _all(Keeps.EXACT)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch on another panelling."""
        pos = contours(case)
        s = arc_length(pos)
        nose = s.gather(1, pos[..., 0].argmin(1, keepdim=True))
        mix = _uniform((len(pos), 1), 0.0, 1.0, generator).to(pos)
        upper = self._spacing(mix, generator) * nose
        lower = nose + self._spacing(mix, generator)[:, 1:] * (s[:, -1:] - nose)
        return with_contours(case, interpolate(pos, s, torch.cat([upper, lower], 1)))

    def _spacing(self, mix: Tensor, generator: torch.Generator) -> Tensor:
        """Return increasing numbers from 0 to 1, (cases, a random count)."""
        count = int(torch.randint(self.fewest, self.most + 1, (1,), generator=generator))
        even = torch.linspace(0.0, 1.0, count, dtype=mix.dtype, device=mix.device)
        return (1.0 - mix) * even + mix * 0.5 * (1.0 - torch.cos(torch.pi * even))


@dataclass(frozen=True, kw_only=True, slots=True)
class ManufacturingNoise:
    """The section as a workshop makes it: waviness, and a little roughness, normal to the surface.

    No label is exactly kept. A wave of 2e-4 chord changes lift, moment and pressure within the
    solver's own scatter, and drag by about a per cent; transition can jump to a wave, so the
    transition labels are forbidden.

    Attributes:
        kind: Its name in a configuration file.
        waviness: Root mean square of the waves, chords.
        roughness: Standard deviation of the white part, chords.
        waves: Gaussian bumps that a contour's waviness is made of.
    """

    kind: Literal["manufacturing-noise"] = "manufacturing-noise"
    waviness: float = 2e-4
    roughness: float = 1e-5
    waves: int = 8
    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return _all(Keeps.APPROXIMATE, xtr_top=Keeps.FORBIDDEN, xtr_bottom=Keeps.FORBIDDEN)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch with every surface displaced; the trailing edges stay."""
        pos = contours(case)
        s = arc_length(pos)
        u = s / s[:, -1:]
        rough = torch.randn(u.shape, generator=generator, dtype=torch.float64).to(pos)
        height = self.waviness * self._bumps(u, generator) + self.roughness * rough
        height = height * (1.0 - (2.0 * u - 1.0) ** 16)
        along = tangents(pos, s)
        normal = torch.stack([along[..., 1], -along[..., 0]], -1)
        normal = normal / normal.norm(dim=-1, keepdim=True).clamp_min(1e-12)
        return with_contours(case, pos + height[..., None] * normal)

    def _bumps(self, u: Tensor, generator: torch.Generator) -> Tensor:
        """Return smooth random heights of root mean square 1, (cases, points)."""
        shape = (len(u), 1, self.waves)
        centre = _uniform(shape, 0.0, 1.0, generator).to(u)
        width = _uniform(shape, 0.02, 0.15, generator).to(u)
        size = torch.randn(shape, generator=generator, dtype=torch.float64).to(u)
        height = (size * torch.exp(-0.5 * ((u[..., None] - centre) / width).square())).sum(-1)
        return height / height.square().mean(1, keepdim=True).sqrt().clamp_min(1e-12)


@dataclass(frozen=True, kw_only=True, slots=True)
class PartialContour:
    """The section with an arc of its contour hidden.

    The case is the same and so are its labels; less of it is seen, and what is hidden has to be
    inferred. Hidden points get ``visible`` False and lie on the straight line between the ends of
    the arc, so that an encoder that does not look at ``visible`` learns nothing of them either. An
    arc lies on one side and ends before the nose, which the stations of encoders are counted from.

    Attributes:
        kind: Its name in a configuration file.
        least: Least hidden fraction of the arc length of the side.
        most: Largest one.
    """

    kind: Literal["partial-contour"] = "partial-contour"
    least: float = 0.2
    most: float = 0.6
    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return _all(Keeps.EXACT)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch with one arc of each contour hidden."""
        pos = contours(case)
        s = arc_length(pos)
        share = _uniform((len(pos), 1), self.least, self.most, generator).to(pos)
        start = _uniform((len(pos), 1), 0.0, 1.0, generator).to(pos) * (0.98 - share)
        nose = s.gather(1, pos[..., 0].argmin(1, keepdim=True))
        ends = torch.cat([start, start + share], 1) * nose
        above = torch.rand((len(pos), 1), generator=generator).to(pos) < 0.5
        below = s[:, -1:] - ends.flip(1) * (s[:, -1:] / nose - 1.0)
        ends = torch.where(above, ends, below)
        hidden = (s > ends[:, :1]) & (s < ends[:, 1:])
        first, last = interpolate(pos, s, ends).split(1, dim=1)
        t = ((s - ends[:, :1]) / (ends[:, 1:] - ends[:, :1]))[..., None]
        line = first + t * (last - first)
        return with_contours(case, torch.where(hidden[..., None], line, pos), visible=~hidden)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mirror:
    """The section upside down, at the opposite incidence: an exact symmetry of the equations.

    Lift and moment change sign, what belongs to the upper side and to the lower side change places
    (every pair of attributes ``*_top`` and ``*_bottom``), drag stays.

    Attributes:
        kind: Its name in a configuration file.
        probability: Of each case to be mirrored.
    """

    kind: Literal["mirror"] = "mirror"
    probability: float = 0.5
    joint: ClassVar[bool] = True

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return _all(Keeps.EQUIVARIANT, cd=Keeps.EXACT)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch with some cases mirrored, labels and conditions included."""
        pos = contours(case)
        chosen = (torch.rand(len(pos), generator=generator) < self.probability).to(pos.device)
        turned = pos.flip(1) * pos.new_tensor([1.0, -1.0])
        changed = with_contours(case, torch.where(chosen[:, None, None], turned, pos))
        if "visible" in case:
            seen = case.visible.reshape(len(pos), -1)
            changed.visible = torch.where(chosen[:, None], seen.flip(1), seen).reshape(-1)
        point = chosen[case.condition_batch]
        for name in ("alpha_deg", "cl", "cm"):
            if name in case:
                changed[name] = torch.where(point, -case[name], case[name])
        for top in [name for name in case.keys() if name.endswith("_top")]:
            bottom = top.removesuffix("_top") + "_bottom"
            which = point.reshape(-1, *[1] * (case[top].dim() - 1))
            changed[top] = torch.where(which, case[bottom], case[top])
            changed[bottom] = torch.where(which, case[top], case[bottom])
        return changed


@dataclass(frozen=True, kw_only=True, slots=True)
class Incidence:
    """The same section at others of its operating points, each with its own labels and fields.

    Attributes:
        kind: Its name in a configuration file.
        count: Operating points kept of each case, drawn without replacement.
    """

    kind: Literal["incidence"] = "incidence"
    count: int = 2
    joint: ClassVar[bool] = True

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return _all(Keeps.EXACT)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch with ``count`` operating points a case.

        Raises:
            ViewError: The cases have fewer, or unequal numbers of operating points.
        """
        cases, total = len(contours(case)), len(case.alpha_deg)
        each = torch.bincount(case.condition_batch, minlength=cases)
        if (each != each[0]).any() or self.count > int(each[0]):
            raise ViewError(
                f"Incidence(count={self.count}) needs at least that many operating points in each "
                f"case, equally many in all; got {int(each.min())} to {int(each.max())}."
            )
        order = torch.rand(cases, int(each[0]), generator=generator).argsort(1)[:, : self.count]
        rows = (order + torch.arange(cases)[:, None] * int(each[0])).reshape(-1)
        rows = rows.to(case.condition_batch.device)
        kept = {
            name: value[rows]
            for name, value in case.to_dict().items()
            if name not in _OF_POINTS and isinstance(value, Tensor) and len(value) == total
        }
        return Batch.from_dict({**case.to_dict(), **kept})


ContourView = Repanel | ManufacturingNoise | PartialContour | Mirror | Incidence
