from __future__ import annotations

import numpy as np
import pytest

from formwright.datasets.atoms.free_energy import CORRECTIONS, Process, free_energy_ev
from formwright.datasets.errors import ConfigError
from formwright.design.screening.activity import (
    PATHS,
    SCALING,
    Activity,
    activity,
    adsorbates_of,
    volcano,
)


def exact(process: Process, **energies: float) -> Activity:
    values = {name: np.array([value]) for name, value in energies.items()}
    return activity(process, values, values, values)


def test_hydrogen_is_best_at_zero() -> None:
    found = activity(
        Process.HER,
        {"H": np.array([-0.3, 0.0, 0.2])},
        {"H": np.array([-0.4, -0.1, 0.1])},
        {"H": np.array([0.1, 0.1, 0.3])},
    )
    np.testing.assert_allclose(found.overpotential_v[0], [0.3, 0.0, 0.2], atol=1e-12)
    np.testing.assert_allclose(found.overpotential_v[1], [0.0, 0.0, 0.1], atol=1e-12)
    np.testing.assert_allclose(found.overpotential_v[2], [0.4, 0.1, 0.3], atol=1e-12)
    np.testing.assert_allclose(found.limiting_v, [-0.3, 0.0, -0.2], atol=1e-12)


def test_oxygen_reduction_on_platinum_as_published() -> None:
    # Norskov et al. 2004: the limiting potential of Pt(111) is near .8 V, by removal of OH
    found = exact(Process.ORR, OH=0.80, O=1.60)
    assert found.limiting_v[0] == pytest.approx(0.80)
    assert found.overpotential_v[0][0] == pytest.approx(0.43)


def test_published_corrections_and_scaling_give_the_published_overpotentials() -> None:
    # O, OH, OOH: Norskov et al., J. Phys. Chem. B 108, 17886 (2004); H: J. Electrochem. Soc. 152,
    # J23 (2005). OOH = OH + 3.2 eV, so at best 3.2 / 2 - 1.23 = .37 V: Man et al. (2011)
    published = {"H": 0.24, "O": 0.05, "OH": 0.35, "OOH": 0.40}
    said = {name: free_energy_ev(0.0, one.reaction) for name, one in CORRECTIONS.items()}
    assert said == published
    energies = {"OH": 0.75, "O": 2.55}
    free = {name: free_energy_ev(e, CORRECTIONS[name].reaction) for name, e in energies.items()}
    near = exact(Process.OER, **free)
    assert near.descriptor_ev[0][0] == pytest.approx(1.5)
    assert near.overpotential_v[0][0] == pytest.approx(0.47)
    for process, optimum in ((Process.ORR, 0.86), (Process.OER, 1.6)):
        line = volcano(process, np.array([optimum - 0.1, optimum, optimum + 0.1]))
        assert line == pytest.approx([0.47, 0.37, 0.47])
        assert PATHS[process].optimum_ev == pytest.approx(optimum)


def test_an_ideal_oxygen_catalyst_loses_nothing() -> None:
    for process in (Process.ORR, Process.OER):
        found = exact(process, OH=1.23, O=2.46, OOH=3.69)
        assert found.overpotential_v[0][0] == pytest.approx(0.0, abs=1e-12)


def test_weak_oxygen_evolution_is_limited_by_the_scaling() -> None:
    found = exact(Process.OER, OH=1.0, O=2.0)
    assert found.limiting_v[0] == pytest.approx(1.0 + SCALING - 2.0)
    assert found.descriptor_ev[0][0] == pytest.approx(1.0)


@pytest.mark.parametrize("process", [Process.HER, Process.ORR, Process.OER])
def test_the_volcano_is_what_scaling_gives(process: Process) -> None:
    x = np.linspace(-0.5, 2.5, 31)
    line = volcano(process, x)
    assert line is not None
    energies = {
        Process.HER: {"H": x},
        Process.ORR: {"OH": x, "O": x + SCALING / 2},
        Process.OER: {"OH": 0 * x + 0.5, "O": 0.5 + x},
    }[process]
    found = activity(process, energies, energies, energies)
    assert (found.overpotential_v[0] >= line - 1e-9).all()
    assert (found.overpotential_v[0] <= line + 1e-9).any()


def test_ends_hold_every_point_of_the_box() -> None:
    generator = np.random.default_rng(0)
    low = {"OH": np.array([0.5]), "O": np.array([1.2])}
    high = {"OH": np.array([1.1]), "O": np.array([2.2])}
    middle = {name: (low[name] + high[name]) / 2 for name in low}
    found = activity(Process.ORR, middle, low, high)
    inside = {n: low[n] + generator.random(200) * (high[n] - low[n]) for n in low}
    over = activity(Process.ORR, inside, inside, inside).overpotential_v[0]
    assert (found.overpotential_v[1] - 0.02 <= over).all()
    assert (over <= found.overpotential_v[2] + 1e-9).all()


def test_what_a_surrogate_lacks_is_refused_or_scaled() -> None:
    known = ("H", "C", "O", "OH")
    assert adsorbates_of(Process.ORR, known) == ("O", "OH")
    assert adsorbates_of(Process.ORR) == ("OOH", "O", "OH")
    with pytest.raises(ConfigError, match=r"COOH, CO, CHO.*HER, ORR, OER"):
        adsorbates_of(Process.CO2RR, known)
