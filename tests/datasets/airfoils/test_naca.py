"""NACA sections against published tables and thin-airfoil theory."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from formwright.datasets.airfoils import naca
from formwright.datasets.airfoils.sections import database
from formwright.datasets.airfoils.sections import naca as naca_section
from formwright.datasets.errors import SectionError

ABBOTT_2412 = {
    0.05: (0.0413, -0.0301),
    0.10: (0.0563, -0.0375),
    0.30: (0.0788, -0.0412),
    0.50: (0.0724, -0.0334),
    0.70: (0.0518, -0.0214),
    0.90: (0.0208, -0.0082),
}


def test_ordinates_of_the_report():
    points = [(x, y) for x, both in ABBOTT_2412.items() for y in both]
    assert distances("2412", np.array(points)).max() < 2e-4


@pytest.mark.parametrize(
    "name", ["naca0012", "naca1412", "naca2410", "naca6412", "naca23012", "naca23024"]
)
def test_tables_of_the_database(name):
    assert distances(name, database().points(name)[1:-1]).max() < 2.5e-5


def distances(digits: str, points: np.ndarray) -> np.ndarray:
    """Return how far points are from the contour with the original trailing edge."""
    contour = naca.coordinates(digits, points_per_side=400, closed=False).numpy()
    start, step = contour[:-1], np.diff(contour, axis=0)
    offset = points[:, None] - start
    along = np.clip((offset * step).sum(-1) / (step**2).sum(-1), 0.0, 1.0)
    return np.linalg.norm(offset - along[..., None] * step, axis=-1).min(1)


@pytest.mark.parametrize(
    ("digits", "lift"), [("23012", 0.3), ("22012", 0.3), ("43012", 0.6), ("24015", 0.3)]
)
def test_design_lift_of_five_digits(digits, lift):
    assert fourier(digits, 1) * np.pi == pytest.approx(lift, rel=0.02)


@pytest.mark.parametrize("digits", ["23112", "22112", "24112"])
def test_reflexed_sections_have_no_moment(digits):
    moment = 0.25 * np.pi * (fourier(digits, 2) - fourier(digits, 1))
    plain = digits[:2] + "0" + digits[3:]
    reference = 0.25 * np.pi * (fourier(plain, 2) - fourier(plain, 1))
    assert abs(moment) < 0.002 < 0.005 < abs(reference)


def fourier(digits: str, n: int) -> float:
    """Return Glauert's coefficient A_n of a five-digit camber line."""
    angle = torch.linspace(0.0, torch.pi, 4001, dtype=torch.float64)
    slope = naca.camber_5(0.5 * (1.0 - angle.cos()), digits)[1]
    return float(torch.trapezoid(slope * torch.cos(n * angle), angle)) * 2.0 / torch.pi


@pytest.mark.parametrize("digits", ["0012", "4415", "23012", "25112"])
@pytest.mark.parametrize("closed", [True, False])
def test_trailing_edge(digits, closed):
    pos = naca.coordinates(digits, closed=closed)
    gap = float((pos[0] - pos[-1]).norm())
    half = 0.0 if closed else 0.00105 * int(digits[-2:]) / 10.0
    assert gap == pytest.approx(2 * half, abs=1e-6 if not closed else 1e-15)
    assert torch.allclose(0.5 * (pos[0] + pos[-1]), pos.new_tensor([1.0, 0.0]), atol=1e-15)
    assert pos.dtype == torch.float64 and pos.shape == (199, 2)


def test_camber_lines_are_continuous():
    for digits in ("21012", "22012", "23012", "24012", "25012", "22112", "23112", "24112", "25112"):
        m = naca.CAMBER_LINES[digits[1:3]][0]
        x = torch.tensor([m - 1e-9, m + 1e-9, 0.0, 1.0], dtype=torch.float64)
        height, slope = naca.camber_5(x, digits)
        assert float((height[0] - height[1]).abs()) < 1e-9
        assert float((slope[0] - slope[1]).abs()) < 1e-6
        assert float(height[2:].abs().max()) < 1e-12


@pytest.mark.parametrize(
    "name", ["2412", "naca2412", "NACA 2412", "NACA-2412", " naca_2412 ", "Naca 2412"]
)
def test_spellings(name):
    assert naca_section(name).name == "naca2412"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("24122412", "four or five digits"),
        ("clarky", "four or five digits"),
        ("2400", "no thickness"),
        ("2012", "contradicts itself"),
        ("64210", "database"),
        ("23612", "database"),
    ],
)
def test_refusals(name, words):
    with pytest.raises(SectionError, match=words):
        naca.coordinates(name)
