from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formwright.datasets.atoms.free_energy import (
    ADSORBATES,
    CORRECTIONS,
    Correction,
    free_energy_ev,
    needs,
)
from formwright.datasets.atoms.reactions import (
    Reaction,
    check_same,
    composition,
    convert,
    parse_reaction,
    reaction,
)
from formwright.datasets.errors import ReactionError, UnknownNameError

LEVEL = "QE BEEF-vdW"
MAMUN = [
    "0.5N2(g) + * -> N*",
    "H2O(g) - H2(g) + * -> O*",
    "0.5H2(g) + * -> H*",
    "CH4(g) - 2.0H2(g) + * -> C*",
    "H2S(g) - H2(g) + * -> S*",
    "CH4(g) - H2(g) + * -> CH2*",
    "CH4(g) - 1.5H2(g) + * -> CH*",
    "H2S(g) - 0.5H2(g) + * -> SH*",
    "CH4(g) - 0.5H2(g) + * -> CH3*",
    "0.5H2(g) + 0.5N2(g) + * -> NH*",
    "H2O(g) - 0.5H2(g) + * -> OH*",
]


@pytest.mark.parametrize("text", MAMUN)
def test_text_comes_back(text):
    assert str(parse_reaction(text, LEVEL)) == text


def test_mamun_has_one_reference():
    check_same(parse_reaction(text, LEVEL) for text in MAMUN)


def test_order_of_gases_does_not_matter():
    one = parse_reaction("- H2(g) + H2O(g) + * -> O*", LEVEL)
    assert one == parse_reaction("H2O(g)-H2(g)+*->O*", LEVEL)
    assert one == reaction("O", {"H2": -1, "H2O": 1}, LEVEL)
    assert hash(one) == hash(reaction("O", {"H2": -1, "H2O": 1, "N2": 0}, LEVEL))
    assert one != reaction("O", {"O2": 0.5}, LEVEL)
    assert one != reaction("O", {"H2O": 1, "H2": -1}, "VASP RPBE")


@given(c=st.integers(0, 3), h=st.integers(0, 7), o=st.integers(0, 3), n=st.integers(0, 2))
def test_any_adsorbate_round_trips(c, h, o, n):
    if c + h + o + n == 0:
        return
    formula = "".join(e + str(k) for e, k in zip("CHON", (c, h, o, n), strict=True) if k)
    gas = {"CH4": c, "H2O": o, "N2": n / 2, "H2": (h - 4 * c - 2 * o) / 2}
    one = reaction(formula, gas, LEVEL)
    assert parse_reaction(str(one), LEVEL) == one
    assert one.atoms == {e: k for e, k in zip("CHON", (c, h, o, n), strict=True) if k}


@pytest.mark.parametrize(
    "text",
    [
        "H2O(g) + * -> O*",
        "H2O(g) - 0.9H2(g) + * -> O*",
        "0.5O2(g) + * -> OH*",
    ],
)
def test_unbalanced_is_refused(text):
    with pytest.raises(ReactionError, match="does not balance") as caught:
        parse_reaction(text, LEVEL)
    assert text.split("-> ")[1] in str(caught.value)


def test_imbalance_says_what_is_missing():
    with pytest.raises(ReactionError, match=r"right less left is -2 H\b"):
        parse_reaction("H2O(g) + * -> O*", LEVEL)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "O*",
        "H2O(g) - H2(g) -> O*",
        "H2O(g) - H2(g) + * -> O",
        "H2O - H2 + * -> O*",
        "H2O(g) H2(g) + * -> O*",
        "H2O(g) - H2(g) + * + * -> O*",
        "x + * -> O*",
    ],
)
def test_other_text_is_quoted(text):
    with pytest.raises(ReactionError) as caught:
        parse_reaction(text, LEVEL)
    assert repr(text) in str(caught.value)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text):
    try:
        parse_reaction(text, LEVEL)
    except ReactionError:
        pass


def test_composition():
    assert composition("CH3CH2OH[ethanol]") == {"C": 2, "H": 6, "O": 1}
    for wrong in ("", "oh", "C-H", "[x]", "Xx2"):
        with pytest.raises(ReactionError):
            composition(wrong)


def test_conversion():
    water = reaction("O", {"H2O": 1, "H2": -1}, LEVEL)
    oxygen = reaction("O", {"O2": 0.5}, LEVEL)
    gases = {"H2O": -14.2, "H2": -6.8, "O2": -9.9}
    slab, with_o = -100.0, -106.0
    from_water = with_o - slab - (-14.2) + (-6.8)
    from_oxygen = with_o - slab - 0.5 * -9.9
    assert convert(from_water, water, oxygen, gases) == pytest.approx(from_oxygen, abs=1e-12)
    back = convert(convert(1.0, water, oxygen, gases), oxygen, water, gases)
    assert back == pytest.approx(1.0, abs=1e-12)
    assert convert(1.5, water, water, {}) == 1.5


def test_conversion_refused():
    water = reaction("O", {"H2O": 1, "H2": -1}, LEVEL)
    with pytest.raises(ReactionError, match="O2 not given"):
        convert(0.0, water, reaction("O", {"O2": 0.5}, LEVEL), {"H2O": 0.0, "H2": 0.0})
    with pytest.raises(ReactionError, match="only the gases may differ"):
        convert(0.0, water, reaction("O", {"H2O": 1, "H2": -1}, "PBE"), {})
    with pytest.raises(ReactionError, match="only the gases may differ"):
        convert(0.0, water, reaction("OH", {"H2O": 1, "H2": -0.5}, LEVEL), {})


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (reaction("O", {"O2": 0.5}, LEVEL), "references of one adsorbate"),
        (reaction("O", {"H2O": 1, "H2": -1}, "VASP RPBE"), "levels of theory"),
        (reaction("OH", {"O2": 0.5, "H2": 0.5}, LEVEL), "references of one element"),
        (reaction("CO", {"CO": 1}, "PBE"), "levels of theory"),
    ],
)
def test_mixed_references_are_refused(other, what):
    one = reaction("O", {"H2O": 1, "H2": -1}, LEVEL)
    check_same([one, one])
    with pytest.raises(ReactionError, match=what) as caught:
        check_same([one, other])
    assert str(one) in str(caught.value) and str(other) in str(caught.value)


def test_molecules_from_their_own_gas_go_together():
    names = ["CO", "CO2", "O2", "C2H6O[ethanol]", "C2H6O[ether]"]
    check_same(reaction(name, {name: 1}, "PBE") for name in names)
    check_same([])


def test_free_energy():
    hydrogen = parse_reaction("0.5H2(g) + * -> H*", LEVEL)
    assert free_energy_ev(-0.24, hydrogen) == pytest.approx(0.0, abs=1e-12)
    own = {**CORRECTIONS, "CO": Correction(value_ev=0.5, reaction=_co(), source="mine")}
    assert free_energy_ev(-1.0, _co(), own) == pytest.approx(-0.5)
    with pytest.raises(UnknownNameError, match="'CO'"):
        free_energy_ev(0.0, _co())
    with pytest.raises(ReactionError, match="convert the energy"):
        free_energy_ev(0.0, reaction("O", {"O2": 0.5}, LEVEL))


def _co() -> Reaction:
    return reaction("CO", {"CO": 1}, LEVEL)


def test_every_correction_belongs_to_its_adsorbate():
    for name, correction in CORRECTIONS.items():
        assert correction.reaction.adsorbate == name
    check_same(correction.reaction for correction in CORRECTIONS.values())
    assert set(ADSORBATES["HER"]) | set(ADSORBATES["ORR"]) <= set(CORRECTIONS)


def test_processes():
    assert needs("HER") == ("H",)
    with pytest.raises(UnknownNameError, match="Did you mean 'ORR'"):
        needs("OR")
