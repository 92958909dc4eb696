"""Denoising of positions or fields, plain or conditioned on the embedding of the clean case."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from formwright.datasets.cases import Case, moved
from formwright.datasets.errors import ConfigError, ViewError
from formwright.surrogate.encoder import each_image, encoder_of
from formwright.surrogate.objectives.compare import compare
from formwright.surrogate.objectives.denoise import Denoise
from formwright.surrogate.objectives.loss import Loss
from formwright.surrogate.pretraining.masking import length_of_points


@dataclass(frozen=True, kw_only=True, slots=True)
class Denoising:
    """Disturb an attribute of the points of each case and predict the noise.

    The noise is read from the encoder's vectors of points, or (``gradient``) is minus the gradient
    of a scalar of the case: for atoms an energy, whose gradient turns with the structure if the
    encoder is invariant, and any encoder of whole cases will do.

    With ``self_conditioned`` the read-out also gets the embedding of the clean case, by the same
    encoder with gradient, through a bottleneck. So the embedding is asked what structure this is,
    not only which way the atoms were pushed: the recommended form for energies. In the paper the
    condition enters the network itself; here the read-out, which asks nothing of the encoder.

    Attributes:
        kind: Its name in a configuration file.
        objective: Compares prediction and noise.
        attribute: What is disturbed, e.g. ``pos`` or ``field``.
        sigma: Deviation of the noise, in units of the attribute.
        gradient: Whether the noise is read as a gradient.
        self_conditioned: Whether the clean case's embedding is given.
        bottleneck: Width of that condition.
        hidden: Width of the read-out's hidden layer.
    """

    kind: Literal["denoising"] = "denoising"
    objective: Denoise = field(default_factory=Denoise)
    attribute: str = "pos"
    sigma: float = 0.05
    gradient: bool = False
    self_conditioned: bool = False
    bottleneck: int = 32
    hidden: int = 128

    def __post_init__(self) -> None:
        """Refuse noise without size."""
        if self.sigma <= 0:
            raise ConfigError(f"Denoising.sigma = {self.sigma} should be > 0.")

    def build(self, network: Any, data: Any, sample: Case | None = None) -> DenoisingNetworks:
        """Return the encoder with a read-out of the noise.

        Args:
            network: Encoder, or a network around one.
            data: The cases.
            sample: A batch as the encoder will see it; absent, the first cases as they are.

        Raises:
            ConfigError: The encoder has no vectors of points and no gradient is asked for.
            ViewError: The cases have no such attribute.
        """
        if sample is None:
            first: Case = data.batch(torch.arange(min(2, len(data))))
            sample = first
        return DenoisingNetworks(self, network, sample)


class DenoisingNetworks(nn.Module):
    """Networks of ``Denoising``."""

    two_views = False
    copies = 1

    def __init__(self, pretext: Denoising, network: Any, sample: Case) -> None:
        super().__init__()
        self.encoder, self.pretext = encoder_of(network), pretext
        if pretext.attribute not in sample:
            raise ViewError(
                f"Denoising(attribute={pretext.attribute!r}): the cases have "
                f"{', '.join(sample.keys())}."
            )
        width, out = self.encoder.width, 1
        if not pretext.gradient:
            width = length_of_points(self.encoder, sample)
            out = sample[pretext.attribute][0].numel()
        if width == 0:
            raise ConfigError(
                f"Denoising reads the noise from vectors of points, and "
                f"{type(self.encoder).__name__} has none: set gradient = true."
            )
        extra = pretext.bottleneck if pretext.self_conditioned else 0
        self.condition = nn.Linear(self.encoder.width, extra) if extra else None
        self.read_out = nn.Sequential(
            nn.Linear(width + extra, pretext.hidden), nn.SiLU(), nn.Linear(pretext.hidden, out)
        )

    def forward(self, a: Case, b: Case, generator: torch.Generator) -> Loss:
        """Disturb ``a`` and compare the predicted noise with the true one."""
        clean = a[self.pretext.attribute]
        noise = torch.randn(clean.shape, generator=generator).to(clean)
        value = clean + self.pretext.sigma * noise
        if self.pretext.gradient:
            value = value.detach().requires_grad_()
        noisy = moved(a, **{self.pretext.attribute: value})
        predicted = self._slope(noisy, a, value) if self.pretext.gradient else self._read(noisy, a)
        return compare(self.pretext.objective, predicted.to(noise), noise.flatten(1), generator)

    def embedding(self, batch: Case) -> Float[Tensor, "rows width"]:
        """Return what is watched for collapse."""
        return each_image(self.encoder(batch).per_case, self.encoder.images)

    def after_update(self, done: float) -> None:
        """Do nothing: there is no slow copy."""

    def _read(self, noisy: Case, clean: Case) -> Float[Tensor, "points components"]:
        """Return the noise as read from the vectors of points."""
        vectors, case = self.encoder(noisy).per_point, noisy.batch
        if self.condition is not None:
            assert case is not None
            told = self.condition(self.encoder(clean).per_case)
            vectors = torch.cat([vectors, told[case]], 1)
        return self.read_out(vectors)

    def _slope(self, noisy: Case, clean: Case, value: Tensor) -> Float[Tensor, "points components"]:
        """Return the noise as minus the gradient of a scalar, in units of its deviation."""
        vector = self.encoder(noisy).per_case
        if self.condition is not None:
            vector = torch.cat([vector, self.condition(self.encoder(clean).per_case)], 1)
        energy = self.read_out(vector).sum()
        (slope,) = torch.autograd.grad(energy, value, create_graph=True)
        return -self.pretext.sigma * slope.flatten(1)
