"""Every shipped model answers bit for bit as it was recorded, after a change of the code.

    python benchmarks/house_identical.py            # compare with data/house-identical.npz
    python benchmarks/house_identical.py --record   # write it anew

Answers are means, deviations, support, fields and gradients of sections and alloy rows, and
embeddings of the pretrained networks. Another processor or build of torch rounds otherwise: there
the largest difference says more than the count.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import torch
from _common import DATA, Benchmark, save

from formwright.datasets.airfoils.sections import load_section
from formwright.datasets.atoms.adsorbates import adsorbate
from formwright.datasets.atoms.elements import numbers
from formwright.datasets.atoms.mamun import Alloy, Row
from formwright.datasets.atoms.slabs.ordered import find_site, slabs
from formwright.datasets.atoms.structures import with_neighbours
from formwright.datasets.cases import sections_batch
from formwright.surrogate.atoms.alloy_rows import predict_rows
from formwright.surrogate.model import Prediction, Surrogate
from formwright.surrogate.rans.fields.predict import predict_fields
from formwright.surrogate.rans.wall.flow import wall_flow
from formwright.surrogate.zoo import load

REFERENCE: Final = DATA / "house-identical.npz"
SECTIONS: Final = ("naca2412", "naca0012", "naca23012", "e387", "s1223", "rae2822")
POINTS: Final = 62
ALPHA_DEG: Final = (-3.0, 2.0, 8.0)
REYNOLDS: Final = (1e6, 3e6, 6e6)
FLOWS: Final = (("naca2412", 4.0, 3e6), ("e387", 8.0, 2e6))
ROWS: Final = (
    Row(Alloy("A1", "Cu", "Cu"), "OH", "bridge|A_A|A"),
    Row(Alloy("L12", "Pt", "Ti"), "H", "hollow|A_A_B|FCC"),
    Row(Alloy("L12", "Ni", "Al"), "O", "hollow|A_A_B|FCC"),
    Row(Alloy("L10", "Pd", "Zn"), "C", "bridge|A_B|A"),
    Row(Alloy("A1", "Pt", "Pt"), "H", "top|A"),
)
EVERY: Final = 43
"""Of the cells of a flow, one in so many is kept."""


def sections() -> torch.Tensor:
    """Return as many points of each contour, (sections, points, 2)."""
    whole = [load_section(name).pos for name in SECTIONS]
    return torch.stack([pos[torch.linspace(0, len(pos) - 1, POINTS).long()] for pos in whole])


def conditions() -> dict[str, torch.Tensor]:
    """Return three operating points of each section."""
    pairs = {"alpha_deg": ALPHA_DEG, "reynolds": REYNOLDS}
    return {k: torch.tensor(v).double().repeat(len(SECTIONS), 1) for k, v in pairs.items()}


def alloys() -> Any:
    """Return two slabs with OH on a site, as one batch."""
    size = torch.tensor([3.9, 3.7]).double()
    z = torch.tensor([numbers(("Pt", "Ti", "Pt", "Ti")), numbers(("Cu", "Zn", "Cu", "Zn"))])
    return slabs(size, size, z, find_site("hollow|A_A_B|FCC", "L10"), adsorbate("OH"))


def parts(said: Prediction) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield everything that a prediction holds."""
    for part in ("mean", "std", "lower", "upper", "fields"):
        for name, values in getattr(said, part).items():
            yield f"{part} {name}", values
    if said.support is not None:
        yield "support", said.support


def polars(name: str) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield what a surrogate of sections says, with the gradient of lift to drag."""
    surrogate: Surrogate = load(name)
    pos = sections().requires_grad_()
    said = surrogate(sections_batch(pos, conditions()), fields=True)
    yield from parts(said)
    (slope,) = torch.autograd.grad((said["cl"] - said["cd"].log()).sum(), pos)
    yield "gradient", slope
    table = surrogate.predict(list(SECTIONS), alpha_deg=ALPHA_DEG, reynolds=REYNOLDS)  # pyright: ignore
    yield from ((f"table {key}", torch.from_numpy(values)) for key, values in table.items())


def flows() -> Iterator[tuple[str, torch.Tensor]]:
    """Yield fields, wall and forces of some cases."""
    surrogate = load("rans-fields")
    for name, alpha, reynolds in FLOWS:
        flow = predict_fields(surrogate, load_section(name).pos, alpha, reynolds)
        for field in ("velocity", "pressure", "nut"):
            yield f"{name} {field}", torch.from_numpy(getattr(flow, field))[::EVERY]
        yield f"{name} cp", torch.from_numpy(flow.wall.cp)
        yield f"{name} forces", torch.tensor([flow.forces[key] for key in ("cl", "cd", "cm")])


def atoms() -> Iterator[tuple[str, torch.Tensor]]:
    """Yield adsorption energies of rows of alloys, and those of two slabs with their gradient."""
    surrogate = load("adsorption-mamun")
    said = predict_rows(surrogate, ROWS)
    assert not said.failures, said.failures
    yield from ((f"rows {key}", torch.from_numpy(part)) for key, part in said.values.items())
    batch = alloys()
    batch["pos"].requires_grad_()
    answer = surrogate(batch)
    yield from parts(answer)
    yield "gradient", torch.autograd.grad(answer["e_ads_ev"].sum(), batch["pos"])[0]


def embeddings() -> Iterator[tuple[str, torch.Tensor]]:
    """Yield what the pretrained networks make of sections and slabs."""
    batch = sections_batch(sections(), conditions())
    yield "airfoil-encoder", load("airfoil-encoder")(batch)
    view = wall_flow(load("airfoil-polar"), batch).float().view()
    for name in ("turbulent-wall", "rans-wall"):
        yield name, load(name)(view).vector
    found = load("atoms")(with_neighbours(alloys(), 6.0))
    yield "atoms", found.per_case
    yield "atoms, each", found.per_point


def answers() -> dict[str, np.ndarray]:
    """Return all answers by model and name."""
    torch.set_num_threads(1)
    found = {
        "airfoil-polar": polars("airfoil-polar"),
        "rans-2d": polars("rans-2d"),
        "rans-fields": flows(),
        "adsorption-mamun": atoms(),
        "networks": embeddings(),
    }
    return {
        f"{model}: {name}": values.detach().numpy()
        for model, pairs in found.items()
        for name, values in pairs
    }


def compared(now: dict[str, np.ndarray], then: dict[str, np.ndarray]) -> dict[str, float]:
    """Return by name the largest difference of recorded answers that are not the same bits."""
    off = {}
    for name in sorted(then):
        a, b = now.get(name), then.get(name)
        if a is None or b is None or a.shape != b.shape or a.dtype != b.dtype:
            off[name] = float("inf")
        elif a.tobytes() != b.tobytes():
            off[name] = float(np.nanmax(np.abs(a.astype(float) - b.astype(float))))
    return off


def main() -> None:
    """Record, or compare and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true")
    now = answers()
    if parser.parse_args().record:
        np.savez_compressed(REFERENCE, **now)  # pyright: ignore
        return
    with np.load(REFERENCE) as stored:
        then = dict(stored)
    off = compared(now, then)
    count = sum(values.size for values in then.values())
    save(
        Benchmark(
            name="house-identical",
            claim=f"{len(then) - len(off)} of {len(then)} recorded answers of the shipped models "
            f"({count:,} numbers: means, deviations, support, fields, gradients, embeddings) "
            "come out bit for bit the same.",
            value={"answers that differ": len(off), "by": max(off.values(), default=0.0)},
            unit="arrays; largest absolute difference",
            better="lower",
            split=f"{', '.join(SECTIONS)}; {len(FLOWS)} flows; {len(ROWS)} rows of alloys",
            peers={},
            notes="Recorded when cases were held by PyG's Data. One thread; another processor or "
            "build of torch may round otherwise.",
            details=off,
        )
    )


if __name__ == "__main__":
    main()
