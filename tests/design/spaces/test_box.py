from __future__ import annotations

import pytest
import torch

from formwright.datasets.cases import Quantity
from formwright.datasets.errors import ConfigError, UnknownNameError
from formwright.datasets.own.table import Column
from formwright.design.spaces.box import Box
from formwright.surrogate.tables.kind import KIND, TableConfig, TableSurrogate


def surrogate() -> TableSurrogate:
    inputs = (Column("a"), Column("kind", "", ("u", "v")), Column("b"))
    config = TableConfig(inputs=inputs, outputs=(Quantity("y", "", ""),))
    return KIND.build(config, {"a": (0.0, 2.0), "b": (-1.0, 1.0)})


def test_free_inputs_move_and_the_others_stay() -> None:
    box = Box.of(surrogate(), fixed={"kind": "v"}, bounds={"a": (0.5, 1.0)})
    assert box.names == ("a", "b") and box.bounds.tolist() == [[0.5, -1.0], [1.0, 1.0]]
    x = torch.tensor([[0.7, 0.2]], dtype=torch.float64, requires_grad=True)
    case = box.decode(x)
    assert case.x.tolist() == [[0.7, 0.0, 1.0, 0.2]]
    case.x.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[1.0, 1.0]]
    assert box.encode(case).tolist() == x.tolist()
    assert box.project(torch.tensor([[9.0, -9.0]])).tolist() == [[1.0, -1.0]]


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({}, ConfigError, "'kind' is a choice of u, v"),
        ({"fixed": {"kind": "u", "c": 1}}, UnknownNameError, "no input 'c'"),
        ({"fixed": {"kind": "u"}, "bounds": {"a": (0.0, 3.0)}}, ConfigError, "beyond the training"),
        ({"fixed": {"kind": "u"}, "bounds": {"a": (1.0, 1.0)}}, ConfigError, "which is nothing"),
    ],
)
def test_boxes_that_cannot_be_are_refused(options: dict, error: type, told: str) -> None:
    with pytest.raises(error, match=told):
        Box.of(surrogate(), **options)
