"""Views of a row of a table, to pretrain on rows whose outputs are not known.

No row says what its neighbours in the table would be: that these views nearly keep the outputs is
a guess, which ``evaluate_pretraining`` puts to the test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from formwright.datasets.cases import Batch, Case
from formwright.surrogate.keeps import Keeps


@dataclass(frozen=True, kw_only=True, slots=True)
class Corrupt:
    """Some inputs of a row are those of another row of the batch.

    Source: Bahri et al., SCARF, ICLR 2022 (arXiv 2106.15147), there with a share of .6.

    Attributes:
        labels: Names of the outputs.
        share: Of the inputs, replaced.
    """

    labels: tuple[str, ...] = ()
    share: float = 0.3
    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise: nearly kept, by the usual guess of the method."""
        return dict.fromkeys(self.labels, Keeps.APPROXIMATE)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the rows with some inputs of others."""
        x = case["x"]
        drawn = torch.rand(x.shape, generator=generator).to(x.device) < self.share
        other = torch.rand(x.shape, generator=generator).to(x.device).argsort(0)
        return Batch.from_dict({**case.to_dict(), "x": torch.where(drawn, x.gather(0, other), x)})


@dataclass(frozen=True, kw_only=True, slots=True)
class Blur:
    """Every input with noise, in shares of its spread in the batch.

    Attributes:
        labels: Names of the outputs.
        sigma: Standard deviation of the noise.
    """

    labels: tuple[str, ...] = ()
    sigma: float = 0.1
    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise: nearly kept where outputs change slowly."""
        return dict.fromkeys(self.labels, Keeps.APPROXIMATE)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the rows with noise."""
        x = case["x"]
        noise = torch.randn(x.shape, generator=generator).to(x)
        spread = x.std(0, keepdim=True) if len(x) > 1 else torch.zeros_like(x)
        return Batch.from_dict({**case.to_dict(), "x": x + self.sigma * spread * noise})
