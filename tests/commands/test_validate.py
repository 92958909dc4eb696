"""``formwright validate``: what it prints and returns, without OpenFOAM."""

from __future__ import annotations

import pytest

from formwright.cli import main
from formwright.datasets.rans import tmr
from formwright.datasets.solvers.openfoam.solver import OpenFOAM


def compared(alpha_deg: float, *, off: float = 0.0, reason: str = "") -> tmr.Comparison:
    """Return a comparison whose drag is ``off`` (relative) from CFL3D's."""
    reference = tmr.CFL3D_SST.get(alpha_deg)
    cl, cd = reference or (0.5, 0.01)
    return tmr.Comparison(
        alpha_deg=alpha_deg,
        cl=cl,
        cd=cd * (1.0 + off),
        reference=reference,
        iterations=300,
        seconds=12.0,
        reason=reason,
    )


def test_without_openfoam_it_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["validate", "naca0012", "--quiet"]) not in (0, None)
    text = " ".join(capsys.readouterr().err.split())
    assert "OpenFOAM cannot run here" in text and "apt-get install openfoam" in text
    assert "simpleFoam" in text and "Traceback" not in text


@pytest.mark.parametrize(("off", "code"), [(0.01, 0), (0.05, 1)])
def test_the_exit_code_tells_whether_the_bars_are_met(monkeypatch, capsys, off, code):
    asked = []

    def validate(solver: OpenFOAM, alphas: tuple[float, ...], **_: object):
        asked.append(alphas)
        return [compared(alpha, off=off) for alpha in alphas]

    monkeypatch.setattr(tmr, "validate", validate)
    assert main(["validate", "naca0012", "--quiet"]) == code
    text = capsys.readouterr().out
    assert asked == [(0.0, 10.0, 15.0)]
    assert "1.0778" in text and f"{100.0 * off:.2f}" in text


def test_an_incidence_without_an_answer_says_why(monkeypatch, capsys):
    rows = [compared(5.0), compared(10.0, reason="not settled; after 1500 iterations")]
    monkeypatch.setattr(tmr, "validate", lambda *_, **__: rows)
    assert main(["validate", "naca0012", "5", "10", "--quiet"]) == 1
    assert "10 deg: not settled; after 1500 iterations" in capsys.readouterr().out
