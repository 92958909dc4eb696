from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.build import add_adsorbate, bulk, fcc100, fcc111, fcc211, molecule

from formwright.datasets.atoms.slabs.frame import ends_differ, shortest_turns_deg, up, upright
from formwright.datasets.atoms.structures import Structure, from_ase, neighbours
from formwright.datasets.errors import StructureError


def slab(pbc=True) -> Structure:
    made = fcc111("Pt", (2, 2, 3), vacuum=8)
    made.set_tags(0)
    made.pbc = pbc
    made.symbols[-1] = "Ni"
    return from_ase(made)


def turned(one: Structure, seed: int = 0) -> Structure:
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    turn = turn * np.sign(np.linalg.det(turn))
    return replace(one, pos=one.pos @ turn, cell=one.cell @ turn)


def permuted(one: Structure, order: list[int]) -> Structure:
    return replace(one, cell=one.cell[order], pbc=one.pbc[order])


def wrapped(one: Structure, by: float) -> Structure:
    flat = np.linalg.solve(one.cell.T, (one.pos + by * one.cell[2]).T).T
    return replace(one, pos=(flat % 1.0) @ one.cell)


def distances(one: Structure) -> np.ndarray:
    (sender, receiver), shift = neighbours(one.pos, one.cell, one.pbc, 6.0)
    apart = np.linalg.norm(one.pos[sender] + shift @ one.cell - one.pos[receiver], axis=1)
    return np.sort(apart + 100.0 * one.z[sender] + 1e4 * one.z[receiver])


DESCRIPTIONS = {
    "turned": turned,
    "permuted": lambda one: permuted(one, [2, 0, 1]),
    "left-handed": lambda one: permuted(turned(one, 1), [1, 0, 2]),
    "wrapped": lambda one: wrapped(one, 0.5),
    "wrapped and turned": lambda one: turned(wrapped(one, 0.45), 2),
    "shifted": lambda one: replace(one, pos=one.pos + np.array([31.0, -17.0, 5.0])),
}


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_every_description_comes_to_one_frame(name):
    expected = upright(slab())
    one = upright(DESCRIPTIONS[name](slab()))
    assert np.abs(one.cell[0, 1:]).max() == 0.0 and one.cell[1, 2] == 0.0
    assert one.cell[0, 0] > 0 and one.cell[1, 1] > 0 and one.cell[2, 2] > 0
    assert one.pos[:, 2].min() > 0.0 and one.pos[:, 2].max() < one.cell[2, 2]
    np.testing.assert_allclose(distances(one), distances(expected), atol=1e-9)
    depth, wanted = (s.pos[:, 2].max() - s.pos[:, 2] for s in (one, expected))
    np.testing.assert_allclose(depth, wanted, atol=1e-9)


def test_what_stands_upright_stays_as_it_is():
    one = slab()
    stood = upright(one)
    np.testing.assert_array_equal(stood.pos, one.pos)
    np.testing.assert_array_equal(stood.cell, one.cell)


def test_held_atoms_are_at_the_bottom_before_tags_say_anything():
    low = slab().pos[:, 2] < 9.0
    for sign in (1.0, -1.0):
        held = replace(slab(), fixed=low, tags=low.astype(int))
        cell = held.cell * np.array([1.0, 1.0, sign])[:, None]
        one = upright(turned(replace(held, cell=cell)))
        assert one.pos[low, 2].max() < one.pos[~low, 2].min()
        assert up(one) == 1


def test_tags_tell_the_top_where_nothing_is_held():
    low = slab().pos[:, 2] < 9.0
    one = upright(replace(slab(), tags=low.astype(int)))
    assert one.pos[low, 2].min() > one.pos[~low, 2].max()
    again = upright(slab(), -np.where(low, 1, 2))
    np.testing.assert_allclose(again.pos, one.pos)


def test_without_a_word_the_third_vector_points_to_the_top():
    one = slab()
    assert up(one) == 0 and not ends_differ(from_ase(fcc111("Pt", (2, 2, 3), vacuum=8)))
    assert ends_differ(one)
    over = upright(replace(one, cell=one.cell * np.array([1.0, 1.0, -1.0])[:, None]))
    nickel = one.z == 28
    assert over.pos[nickel, 2] == over.pos[:, 2].min()


def two_kinds(top: str, bottom: str, turn: int = 0):
    """A slab of four atoms a layer in a row, its ends as named: N for nickel, P for platinum."""
    made = fcc100("Pt", (4, 1, 3), vacuum=8)
    order = np.argsort(made.positions[:, 0] + 100 * made.get_tags())
    numbers = {"N": 28, "P": 78}
    z = [numbers[c] for c in top + "PPPP" + bottom[turn:] + bottom[:turn]]
    made.numbers[order] = z
    return from_ase(made)


@pytest.mark.parametrize(
    "top, bottom, turn, differ",
    [
        ("NNPP", "NPNP", 0, True),
        ("NNPP", "NNPP", 0, False),
        ("NNPP", "NNPP", 1, False),
        ("NPPP", "NPPP", 2, False),
        ("NNNP", "NPPP", 0, True),
    ],
)
def test_ends_that_differ_sideways_alone_are_told(top, bottom, turn, differ):
    assert ends_differ(two_kinds(top, bottom, turn)) == differ


def test_an_open_direction_needs_no_vector():
    made = fcc111("Pt", (2, 2, 3), vacuum=8)
    made.cell[2] = 0.0
    one = upright(from_ase(made))
    assert one.cell[2, 2] > np.ptp(one.pos[:, 2]) + 9.9 and not one.pbc[2]


def test_refusals():
    with pytest.raises(StructureError, match="no vacuum"):
        upright(from_ase(bulk("Cu", cubic=True)))
    boxed = molecule("CO", vacuum=8)
    boxed.pbc = True
    with pytest.raises(StructureError, match="no surface normal"):
        upright(from_ase(boxed))
    with pytest.raises(StructureError, match="pbc = "):
        upright(slab(pbc=False))


def test_shortest_vectors_of_the_surface():
    assert shortest_turns_deg(slab()) == [0.0, 60.0, 120.0, 180.0, 240.0, 300.0]
    skewed = slab()
    skewed.cell[1] += 2.0 * skewed.cell[0]
    assert shortest_turns_deg(skewed) == shortest_turns_deg(slab())
    tetragonal = from_ase(fcc111("Pt", (2, 4, 3), vacuum=8, orthogonal=True))
    assert shortest_turns_deg(tetragonal) == [0.0, 180.0]


def test_a_slab_with_an_adsorbate_below_is_turned_over():
    made = fcc111("Pt", (2, 2, 3), vacuum=8)
    add_adsorbate(made, "O", 1.2, "fcc")
    made.set_tags(np.where(made.numbers == 8, 2, 0))
    made.positions[:, 2] *= -1.0
    one = upright(from_ase(made))
    assert one.pos[:, 2].argmax() == 12


@pytest.mark.parametrize("by", [(0.0, 0.0, 0.01), (0.01, 0.0, 0.0)])
def test_ends_that_differ_a_little_differ(by):
    made = from_ase(fcc111("Pt", (2, 2, 3), vacuum=8))
    pos = made.pos.copy()
    pos[0] += by
    assert not ends_differ(made) and ends_differ(replace(made, pos=pos))


def test_ends_are_alike_to_the_digits_of_a_file():
    made = from_ase(fcc211("Pt", (3, 2, 3), vacuum=8))
    assert not ends_differ(replace(made, pos=made.pos.round(4)))
