"""Linear equations of several sections, solved one after the other.

torch hands the matrices of a batch to its threads, and the LU of MKL below does not stand that: as
soon as the number of threads was ever set above one, answers are wrong or the solver stops (torch
issue 142815). Matrix by matrix, the threads work inside of each.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def solve(
    matrix: Float[Tensor, "sections n n"], right: Float[Tensor, "sections n columns"]
) -> Float[Tensor, "sections n columns"]:
    """Return the solutions, differentiably."""
    if torch.get_num_threads() == 1:
        return torch.linalg.solve(matrix, right)
    pairs = zip(matrix, right, strict=True)
    return torch.stack([torch.linalg.solve(one, its) for one, its in pairs])


def factors(matrix: Float[Tensor, "sections n n"]) -> tuple[Tensor, Tensor]:
    """Return LU and pivots; those of a singular matrix hold what is not finite."""
    if torch.get_num_threads() == 1:
        return torch.linalg.lu_factor_ex(matrix)[:2]
    parts = [torch.linalg.lu_factor_ex(one)[:2] for one in matrix]
    return torch.stack([lu for lu, _ in parts]), torch.stack([pivots for _, pivots in parts])
