from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from formwright.datasets.airfoils.sections import naca
from formwright.datasets.cases import Batch, Case, section_case, sections_batch

CONDITIONS = {"alpha_deg": torch.tensor([0.0, 4.0]), "reynolds": torch.tensor([1e6, 3e6])}


def test_a_case_is_ours_or_pygs() -> None:
    ours = section_case(naca("2412").pos, CONDITIONS)
    assert isinstance(ours, Batch) and isinstance(ours, Case)
    assert isinstance(Data(), Case) and isinstance(ours.to_data(), Data)
    for other in ({}, torch.zeros(1), torch.nn.Linear(1, 1)):
        assert not isinstance(other, Case)


def test_attributes_and_keys_are_one() -> None:
    case = Batch(pos=torch.zeros(3, 2), absent=None)
    case["z"] = torch.ones(3)
    case.level = 1
    assert case.keys() == ["pos", "z", "level"]
    assert case["pos"] is case.pos and "z" in case and "absent" not in case
    assert repr(case) == "Batch(pos=[3, 2], z=[3], level=1)"
    case.z = None
    assert "z" not in case and list(case.to_dict()) == ["pos", "level"]
    case["level"] = None
    assert case.keys() == ["pos"]


def test_what_is_not_there_is_named_beside_what_is() -> None:
    case = Batch(pos=torch.zeros(3, 2), z=torch.ones(3))
    with pytest.raises(AttributeError, match="has no 'alpha_deg'; it has pos, z"):
        _ = case.alpha_deg
    with pytest.raises(KeyError, match="has no 'alpha_deg'; it has pos, z"):
        _ = case["alpha_deg"]
    assert not hasattr(case, "alpha_deg")


def test_copies_share_what_they_should() -> None:
    case = Batch(pos=torch.ones(3, 2, requires_grad=True), name="a")
    whole = case.clone()
    (2.0 * whole.pos).sum().backward()
    assert case.pos.grad.tolist() == [[2.0, 2.0]] * 3 and whole.name == "a"
    shallow = copy.copy(case)
    shallow.name = "b"
    assert shallow.pos is case.pos and case.name == "a"
    for again in (copy.deepcopy(case), pickle.loads(pickle.dumps(case))):
        assert torch.equal(again.pos, case.pos) and again.pos is not case.pos
    assert case.to("cpu").pos.dtype is case.pos.dtype
    assert case.to(torch.device("meta")).pos.device.type == "meta" != case.pos.device.type


def test_there_and_back_is_the_same() -> None:
    case = section_case(naca("2412").pos, CONDITIONS)
    again = Batch.from_data(case.to_data())
    assert set(again.keys()) == set(case.keys())
    assert all(again[key] is case[key] for key in case.keys())


def test_pygs_loader_joins_cases_as_we_do() -> None:
    pos = torch.stack([naca(name).pos for name in ("2412", "4412", "4415")])
    values = {name: part.expand(3, 2) for name, part in CONDITIONS.items()}
    together = sections_batch(pos, values)
    singles = [section_case(one, CONDITIONS).to_data() for one in pos]
    (joined,) = DataLoader(singles, batch_size=3)  # pyright: ignore
    assert set(joined.keys()) == set(together.keys())
    for key in together.keys():
        assert torch.equal(joined[key], together[key]), key
