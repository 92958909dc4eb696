"""A small encoder of the flow at the surface: what pretraining holds a section against."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from formwright.datasets.cases import Case
from formwright.surrogate.airfoils.flows import Flows


class FlowStandard(nn.Module):
    """The fields of a batch as a network sees them.

    The stations of both sides make one line, upper trailing edge -> nose -> lower trailing edge, so
    the mirror turns the line round. Values are standardised over the sections that this was built
    from, and passed through asinh, since a suction peak is ten times the rest.

    Attributes:
        names: Fields read, without ``_top`` and ``_bottom``.
        fields: Their number.
        stations: On each side.
    """

    def __init__(self, flows: Flows) -> None:
        """Take the fields of ``flows``, their mean and their deviation."""
        super().__init__()
        self.names = tuple(k.removesuffix("_top") for k in flows.fields if k.endswith("_top"))
        self.fields = len(self.names)
        self.stations = next(iter(flows.fields.values())).shape[-1]
        line = torch.stack([_line(flows.fields, name) for name in self.names]).flatten(1)
        self.mean = nn.Buffer(line.mean(1).float())
        self.std = nn.Buffer(line.std(1).float().clamp_min(1e-6))

    def forward(self, batch: Case) -> Float[Tensor, "points fields line"]:
        """Return the fields of every operating point."""
        fields = {f"{n}_{side}": batch[f"{n}_{side}"] for n in self.names for side in _SIDES}
        line = torch.stack([_line(fields, name) for name in self.names], 1).to(self.mean)
        return torch.asinh((line - self.mean[:, None]) / self.std[:, None])


class AnswerStandard(nn.Module):
    """The cheap solver's own labels of a batch, standardised, for each case and its mirror image.

    Lift and moment change sign with the mirror, what belongs to one side changes places.

    Attributes:
        names: Labels read; drag as its logarithm.
    """

    def __init__(self, flows: Flows) -> None:
        """Take the labels of ``flows``, their mean and their deviation over both images."""
        super().__init__()
        self.names = tuple(flows.answers)
        both = self._both({name: v.flatten() for name, v in flows.answers.items()})
        self.mean = nn.Buffer(both.mean(0).float())
        self.std = nn.Buffer(both.std(0).float().clamp_min(1e-6))

    def forward(self, batch: Case) -> Float[Tensor, "images labels"]:
        """Return the labels of every operating point, then those of every mirror image."""
        both = self._both({name: batch[name] for name in self.names})
        return (both.to(self.mean) - self.mean) / self.std

    def _both(self, values: Mapping[str, Tensor]) -> Tensor:
        """Return both images' labels, (2 points, labels)."""
        own = {name: v.log() if name == "cd" else v for name, v in values.items()}
        mirrored = {
            name: own[_opposite(name)] * (-1.0 if name in _TURNING else 1.0) for name in own
        }
        return torch.stack([torch.cat([own[name], mirrored[name]]) for name in self.names], -1)


class FlowEncoder(nn.Module):
    """Flow at one operating point -> one vector, by strided convolutions along the surface.

    Attributes:
        width: ``2 * half``: the flow's own half, then its mirror image's.
    """

    def __init__(self, flows: Flows, half: int, channels: int = 24) -> None:
        """Build for the fields of ``flows``."""
        super().__init__()
        self.width = 2 * half
        self.standard = FlowStandard(flows)
        sizes = [self.standard.fields, channels, 2 * channels, 2 * channels]
        layers: list[nn.Module] = []
        length = 2 * self.standard.stations
        for before, after in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Conv1d(before, after, 5, stride=2, padding=2), nn.SiLU()]
            length = (length + 1) // 2
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(length * sizes[-1], half))

    def forward(self, batch: Case) -> Float[Tensor, "points width"]:
        """Encode the flow at every operating point of the batch."""
        line = self.standard(batch)
        return torch.cat(self.layers(torch.cat([line, line.flip(-1)])).chunk(2), -1)


_SIDES = ("top", "bottom")
_TURNING = frozenset({"cl", "cm"})


def _opposite(name: str) -> str:
    """Return what a label is called on the other side."""
    stem, _, side = name.rpartition("_")
    return {"top": f"{stem}_bottom", "bottom": f"{stem}_top"}.get(side, name)


def _line(fields: Mapping[str, Tensor], name: str) -> Tensor:
    """Return a field from the upper trailing edge round the nose to the lower one."""
    return torch.cat([fields[name + "_top"].flip(-1), fields[name + "_bottom"]], -1)
