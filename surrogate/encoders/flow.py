"""A small encoder of the flow at the surface: what pretraining holds a section against."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch_geometric.data import Data

from formwright.surrogate.flows import Flows


class FlowEncoder(nn.Module):
    """Distributions along the surface at one operating point -> one vector.

    The stations of both sides make one line, upper trailing edge -> nose -> lower trailing edge,
    through three strided convolutions. Inputs are standardised over the sections that the encoder
    was built from and passed through asinh, since a suction peak is ten times the rest.

    Attributes:
        names: Fields read, without ``_top`` and ``_bottom``.
        width: Length of the vector.
    """

    def __init__(self, flows: Flows, width: int, channels: int = 32) -> None:
        """Build for the fields of ``flows``, and take mean and deviation from them."""
        super().__init__()
        self.names = tuple(k.removesuffix("_top") for k in flows.fields if k.endswith("_top"))
        self.width = width
        line = torch.stack([_line(flows.fields, name) for name in self.names]).flatten(1)
        self.mean = nn.Buffer(line.mean(1).float())
        self.std = nn.Buffer(line.std(1).float().clamp_min(1e-6))
        stations = 2 * flows.fields[self.names[0] + "_top"].shape[-1]
        sizes = [len(self.names), channels, 2 * channels, 2 * channels]
        layers: list[nn.Module] = []
        for before, after in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Conv1d(before, after, 5, stride=2, padding=2), nn.GELU()]
        length = stations
        for _ in sizes[1:]:
            length = (length + 1) // 2
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(length * sizes[-1], width))

    def standardised(self, batch: Data) -> Float[Tensor, "points fields stations"]:
        """Return the fields of a batch as the network sees them."""
        fields = {name: batch[name] for name in batch.keys() if name.endswith(("_top", "_bottom"))}
        line = torch.stack([_line(fields, name) for name in self.names], 1).to(self.mean)
        return torch.asinh((line - self.mean[:, None]) / self.std[:, None])

    def forward(self, batch: Data) -> Float[Tensor, "points width"]:
        """Encode the flow at every operating point of the batch."""
        return self.layers(self.standardised(batch))


def _line(fields: Mapping[str, Tensor], name: str) -> Tensor:
    """Return a field from the upper trailing edge round the nose to the lower one."""
    return torch.cat([fields[name + "_top"].flip(-1), fields[name + "_bottom"]], -1)
