"""Speed of ``airfoil-polar`` beside NeuralFoil in the same run: throughput, latency, gradient.

python benchmarks/polar_speed.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from _common import Benchmark, kulfan, save

import formwright
from formwright.datasets.airfoils import cst
from formwright.datasets.airfoils.blends import Blending, draw_section
from formwright.datasets.cases import sections_batch
from formwright.surrogate.airfoils.polar import PolarSurrogate

SECTIONS, POINTS = 1000, 100
PEER = "NeuralFoil 0.3.3 xlarge"


def laps(*functions: Callable[[], object], repeats: int, inner: int = 1) -> list[float]:
    """Return the median time of a call of each function, taken in turns after a warm-up.

    A machine that slows down for a while slows all of them down.
    """
    times: list[list[float]] = [[] for _ in functions]
    for function in functions:
        function()
    for _ in range(repeats):
        for function, found in zip(functions, times, strict=True):
            start = time.perf_counter()
            for _ in range(inner):
                function()
            found.append((time.perf_counter() - start) / inner)
    return [statistics.median(found) for found in times]


def cases() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return CST vectors (1000, 18), incidences and Reynolds numbers (1000, 100)."""
    rng = np.random.default_rng(0)
    drawn = [draw_section(Blending(), "test", i, rng).vector for i in range(SECTIONS)]
    alpha = rng.uniform(-10, 16, (SECTIONS, POINTS))
    return np.stack(drawn), alpha, np.exp(rng.uniform(np.log(5e4), np.log(1e7), alpha.shape))


def throughput(surrogate: PolarSurrogate, vectors, alpha, reynolds) -> None:
    """Time 100,000 cases of 1,000 sections from coordinates."""
    import neuralfoil
    from aerosandbox.geometry.airfoil.airfoil_families import get_kulfan_parameters

    contours = list(cst.coordinates(torch.from_numpy(vectors), 81).numpy())

    def ours() -> object:
        return surrogate.predict(contours, alpha_deg=alpha, reynolds=reynolds)

    def section_by_section() -> None:
        for pos, a, re in zip(contours, alpha, reynolds, strict=True):
            neuralfoil.get_aero_from_coordinates(pos, alpha=a, Re=re, model_size="xlarge")

    def all_at_once() -> None:
        fits = [get_kulfan_parameters(pos) for pos in contours]
        joined = {
            name: np.repeat(np.stack([fit[name] for fit in fits], -1), POINTS, axis=-1)
            for name in kulfan(vectors[0])
        }
        neuralfoil.get_aero_from_kulfan_parameters(
            joined, alpha=alpha.ravel(), Re=reynolds.ravel(), model_size="xlarge"
        )

    mine, *peers = laps(ours, section_by_section, all_at_once, repeats=5)
    peer = min(peers)
    count = alpha.size
    save(
        Benchmark(
            name="polar-throughput",
            claim=f"Cases a second, {count:,} cases of {SECTIONS:,} sections from coordinates: "
            f"{peer / mine:.1f} times NeuralFoil xlarge.",
            value=count / mine,
            unit="cases/s",
            better="higher",
            split="blends of test families",
            peers={PEER: count / peer},
            bars={"bar": 2 * count / peer, "stretch": 10 * count / peer},
            notes="The peer is the faster of a call a section and of one call after all fits.",
        )
    )


def latency(surrogate: PolarSurrogate, vectors) -> None:
    """Time one section at one operating point, warm, from CST weights."""
    import neuralfoil

    vector, fit = vectors[0], kulfan(vectors[0])

    def ours() -> object:
        return surrogate.predict(vector, alpha_deg=3.0, reynolds=1e6)

    def theirs() -> object:
        return neuralfoil.get_aero_from_kulfan_parameters(
            fit, alpha=3.0, Re=1e6, model_size="xlarge"
        )

    mine, peer = laps(ours, theirs, repeats=60, inner=20)
    save(
        Benchmark(
            name="polar-latency",
            claim="One section at one operating point, warm, from CST weights: "
            f"{peer / mine:.1f} times as fast as NeuralFoil xlarge.",
            value=1e3 * mine,
            unit="ms",
            better="lower",
            split="one section",
            peers={PEER: 1e3 * peer},
            bars={"bar": 1e3 * peer, "stretch": 0.5e3 * peer},
        )
    )


def gradient(surrogate: PolarSurrogate, vectors) -> None:
    """Time CL/CD with its gradient to all 18 shape parameters, in forward passes."""
    parameters = torch.from_numpy(vectors[:1])
    conditions = {"alpha_deg": torch.tensor([[3.0]]).double(), "reynolds": torch.tensor([[1e6]])}

    def lift_to_drag(w: torch.Tensor) -> torch.Tensor:
        said = surrogate(sections_batch(cst.coordinates(w), conditions))
        return (said["cl"] / said["cd"]).sum()

    def forward() -> object:
        with torch.no_grad():
            return lift_to_drag(parameters)

    def with_gradient() -> object:
        w = parameters.clone().requires_grad_()
        return torch.autograd.grad(lift_to_drag(w), w)

    once, both = laps(forward, with_gradient, repeats=40, inner=20)
    save(
        Benchmark(
            name="polar-gradient",
            claim="CL/CD of one case with its exact gradient to 18 shape parameters costs "
            f"{both / once:.1f} forward passes.",
            value=both / once,
            unit="forward passes",
            better="lower",
            split="one section",
            peers={},
            bars={"bar": 3.0},
            notes=f"forward {1e3 * once:.2f} ms, value and gradient {1e3 * both:.2f} ms.",
        )
    )


def main() -> None:
    """Measure all three."""
    surrogate = formwright.load("airfoil-polar")
    vectors, alpha, reynolds = cases()
    throughput(surrogate, vectors, alpha, reynolds)
    torch.set_num_threads(1)
    latency(surrogate, vectors)
    gradient(surrogate, vectors)


if __name__ == "__main__":
    main()
