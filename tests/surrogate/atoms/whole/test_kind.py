from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms

import formwright
from formwright.surrogate.atoms.whole.kind import StructureSurrogate


def chains(count: int = 40) -> list[Atoms]:
    frames = []
    for i in range(count):
        metal, atoms = ("Cu", "Ag", "Au", "Ni")[i % 4], 2 + i % 3
        pos = 2.4 * np.arange(atoms)[:, None] * np.array([[0.0, 0.0, 1.0 + 0.002 * i]])
        energy = atoms * (-3.0 + 0.5 * (i % 4)) + 0.1
        frames.append(Atoms([metal] * atoms, pos, info={"e": energy, "group": i % 10}))
    return frames


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> StructureSurrogate:
    folder = tmp_path_factory.mktemp("structures")
    options = {"label": "e", "unit": "kJ/mol", "extensive": True, "group": "group", "level": "toy"}
    formwright.import_corpus("structures", chains(), folder / "c", **options)
    quick = {"train": {"steps": 3, "threads": 1}}
    done = formwright.fit(
        "structures", folder / "c", folder / "f", quick, pretrained="atoms", progress=False
    )
    assert done.scores.error["e"] < done.floors["mean"]["e"]
    return formwright.load(folder / "f")


def test_molecules_without_a_cell_are_predicted_in_their_unit(fitted: StructureSurrogate) -> None:
    frames = chains(8)
    said = fitted.predict(frames)
    truth = [one.info["e"] for one in frames]
    assert np.abs(said["e"] - truth).mean() < 1.0
    assert said.units["e"] == "kJ/mol" and fitted.config.level == "toy"


def test_an_element_of_no_training_case_is_flagged(fitted: StructureSurrogate) -> None:
    said = fitted.predict(
        [Atoms("Cu2", [[0, 0, 0], [0, 0, 2.4]]), Atoms("Fe2", [[0, 0, 0], [0, 0, 2.4]])]
    )
    assert "Fe: not in the training data" in said.flags[1]
    assert "not in the training data" not in str(said.flags[0])


def test_the_energy_is_that_of_the_turned_structure(fitted: StructureSurrogate) -> None:
    one = chains(3)[2]
    turned = one.copy()
    turned.rotate(50.0, (1.0, 2.0, 3.0))
    a, b = fitted.predict([one, turned])["e"]
    assert a == pytest.approx(b, abs=1e-3)
