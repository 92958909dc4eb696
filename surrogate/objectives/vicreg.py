"""VICReg: pull two views together, keep every dimension alive, and the dimensions apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.surrogate.objectives.loss import Loss, TwoViews, check_pair


@dataclass(frozen=True, kw_only=True, slots=True)
class VICReg(TwoViews):
    """Variance-invariance-covariance regularisation.

    With embeddings Z, Z' of shape (n, d), their columns' variances with n - 1 and the covariance
    C(Z) = (Z - mean)^T (Z - mean) / (n - 1)::

        L    = invariance s(Z, Z') + variance [v(Z) + v(Z')] + covariance [c(Z) + c(Z')]
        s    = mean over rows and columns of (Z - Z')^2
        v(Z) = mean_j max(0, 1 - sqrt(Var z_j + epsilon))
        c(Z) = sum_{i != j} C(Z)_ij^2 / d

    This is Algorithm 1 of the paper: v is *summed* over the two views. The authors' released code
    halves that sum, so their ``std_coeff=25`` is ``variance=12.5`` here. The paper's equation (5)
    sums s over columns; its algorithm and the code average it, as is done here.

    The two embeddings may come from different networks, which may see different kinds of data: no
    term compares statistics across the two.

    Good values: 25, 25, 1; a projector of width 2d-8d; batches of 128 or more. Where dimensions
    die, raise ``variance`` or the batch; where the two views stay apart, lower ``covariance``.

    Source: Bardes, Ponce, LeCun, arXiv 2105.04906 (ICLR 2022).

    Attributes:
        kind: Its name in a configuration file.
        invariance: Weight of s.
        variance: Weight of v.
        covariance: Weight of c.
        epsilon: Added to variances under the root.

    Example:
        >>> import formwright, torch
        >>> z = torch.randn(8, 4)
        >>> sorted(formwright.VICReg()(z, z).terms)
        ['covariance', 'invariance', 'variance']
    """

    kind: Literal["vicreg"] = "vicreg"
    invariance: float = 25.0
    variance: float = 25.0
    covariance: float = 1.0
    epsilon: float = 1e-4

    def __call__(
        self,
        za: Float[Tensor, "batch width"],
        zb: Float[Tensor, "batch width"],
        generator: torch.Generator | None = None,
    ) -> Loss:
        """Return the loss of two views; ``generator`` is not used.

        Raises:
            ObjectiveError: A batch of one, two shapes, or a value that is not finite.
        """
        check_pair(za, zb, "VICReg")
        (va, ca), (vb, cb) = spread(za, self.epsilon), spread(zb, self.epsilon)
        s, v, c = (za - zb).square().mean(), va + vb, ca + cb
        total = self.invariance * s + self.variance * v + self.covariance * c
        return Loss(total, {"invariance": s, "variance": v, "covariance": c})


def spread(
    z: Float[Tensor, "batch width"], epsilon: float
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Return v(Z), what the deviations lack of 1, and c(Z), the squared covariances."""
    n, d = z.shape
    centred = z - z.mean(0)
    matrix = centred.T @ centred / (n - 1)
    diagonal = matrix.diagonal()
    hinge = torch.relu(1.0 - (diagonal + epsilon).sqrt()).mean()
    return hinge, (matrix.square().sum() - diagonal.square().sum()) / d
