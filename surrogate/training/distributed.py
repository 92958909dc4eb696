"""Several processes, one batch: what ``torchrun`` starts computes what one process would.

Every process holds a share of the rows of a batch. Statistics over the batch (a covariance, a
set of negatives) are those of the joined rows: ``gather`` and ``total`` are sums over processes
with their derivative. The convention throughout: each process computes the same loss of the whole
batch, and ``average_gradients`` takes the mean over processes. So the backward pass of ``gather``
and ``total`` adds up what all processes send back; a plain ``all_gather``, which sends nothing
back, would drop the gradient that flows through the other processes' rows.

In a process that nobody else joined everything here is the identity.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, distributed, nn

from formwright.datasets.errors import ObjectiveError


def world() -> int:
    """Return how many processes share a batch."""
    joined = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if joined else 1


def rank() -> int:
    """Return the number of this process, from 0."""
    return distributed.get_rank() if world() > 1 else 0


def join(device: torch.device) -> None:
    """Join the processes that ``torchrun`` started, if it started several and nobody did yet.

    They stay joined until the process ends: a group cannot be opened twice with the same addresses.

    Args:
        device: Where the tensors are: NCCL connects GPUs, gloo everything else.
    """
    if world() > 1 or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    atexit.register(distributed.destroy_process_group)


def local_device(name: str | None, model: nn.Module) -> torch.device:
    """Return where this process trains: ``name``, or where ``model`` is; GPUs are dealt out."""
    own = next((p.device for p in model.parameters()), torch.device("cpu"))
    device = own if name is None else torch.device(name)
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return device


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        counts = [torch.zeros(1, dtype=torch.long, device=z.device) for _ in range(world())]
        distributed.all_gather(counts, torch.tensor([len(z)], device=z.device))
        ctx.counts = [int(count) for count in counts]
        padded = z.new_zeros(max(ctx.counts), *z.shape[1:])
        padded[: len(z)] = z
        parts = [torch.empty_like(padded) for _ in range(world())]
        distributed.all_gather(parts, padded)
        return torch.cat([part[:n] for part, n in zip(parts, ctx.counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        gradient = gradients[0].contiguous().clone()
        distributed.all_reduce(gradient)
        return gradient.split(ctx.counts)[rank()]


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        value = value.contiguous().clone()
        distributed.all_reduce(value)
        return value

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        gradient = gradients[0].contiguous().clone()
        distributed.all_reduce(gradient)
        return gradient


def gather(z: Shaped[Tensor, "share ..."]) -> Shaped[Tensor, "batch ..."]:
    """Return the rows of all processes, differentiably; they may have different numbers of them."""
    return z if world() == 1 else _Gather.apply(z)  # pyright: ignore


def total(value: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return the sum over the processes, differentiably."""
    return value if world() == 1 else _Total.apply(value)  # pyright: ignore


def share(rows: Int[Tensor, " batch"]) -> Int[Tensor, " share"]:
    """Return this process's rows of a batch."""
    return rows[rank() :: world()]


def fork(generator: torch.Generator) -> torch.Generator:
    """Return a generator of this process alone; ``generator`` stays as it is, alike in all."""
    if world() == 1:
        return generator
    copy = torch.Generator()
    copy.set_state(generator.get_state())
    seed = int(torch.randint(2**62, (1,), generator=copy))
    return copy.manual_seed(seed + rank())


def agree(generator: torch.Generator) -> torch.Generator:
    """Return a generator that draws in every process what that of the first one draws."""
    if world() == 1:
        return generator
    state = generator.get_state().to(_meeting_place())
    distributed.broadcast(state, 0)
    if rank() == 0:
        return generator
    same = torch.Generator()
    same.set_state(state.cpu())
    return same


def broadcast_state(module: nn.Module) -> None:
    """Give every process the parameters and buffers of the first."""
    if world() > 1:
        for value in module.state_dict().values():
            distributed.broadcast(value, 0)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its mean over the processes."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if world() == 1 or not gradients:
        return
    flat = torch.cat([g.reshape(-1) for g in gradients])
    distributed.all_reduce(flat)
    flat /= world()
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def wait() -> None:
    """Wait until every process is here."""
    if world() > 1:
        distributed.barrier()


class BatchNorm(nn.BatchNorm1d):
    """``torch.nn.BatchNorm1d`` with the statistics of the whole batch, on any backend.

    In one process it is torch's own, bit for bit.
    """

    def forward(self, input: Float[Tensor, "rows width"]) -> Float[Tensor, "rows width"]:
        """Normalise the columns.

        Raises:
            ObjectiveError: The batch holds one row: there are no statistics.
        """
        n = len(input) * world()
        if self.training and n < 2:
            raise ObjectiveError(
                f"batch normalisation needs statistics over the batch, and the batch holds {n} "
                "case: take at least 2, better 64 or more; a last, smaller batch can be dropped."
            )
        if world() == 1 or not self.training:
            return super().forward(input)
        z = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
        mean = total(z.sum(0)) / n
        centred = z - mean
        variance = total(centred.square().sum(0)) / n
        self._remember(mean.detach(), variance.detach() * n / (n - 1))
        y = centred * (variance + self.eps).rsqrt()
        return (y if self.weight is None else y * self.weight + self.bias).to(input)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics that evaluation uses."""
        if self.running_mean is None or self.running_var is None or self.momentum is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
        self.running_var.lerp_(variance.to(self.running_var), self.momentum)


def _meeting_place() -> torch.device:
    """Return the device that the backend moves tensors on."""
    on_gpu = distributed.get_backend() == "nccl"
    return torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")
