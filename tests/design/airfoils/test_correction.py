"""A corrected surrogate says at the verified design what the solver said."""

import pytest
import torch

from formwright.design.airfoils.correction import Corrected, offsets_from
from formwright.design.airfoils.verify import verify


def test_offsets_make_claim_and_verdict_agree(space, start, points, surrogate, make_solver):
    case = space.decode(start[None])
    pos = case.pos
    found = verify(pos, points, make_solver(lift=0.97, drag=1.2), case.alpha_deg.tolist())
    case.alpha_deg = torch.tensor([v.alpha_deg for v in found.verdicts], dtype=torch.float64)
    offsets = offsets_from(surrogate(case), found.verdicts, {})
    corrected = Corrected(surrogate, offsets)(case)
    for name in ("cl", "cd", "cm"):
        verified = [verdict.labels[name] for verdict in found.verdicts]
        assert corrected[name].tolist() == pytest.approx(verified, rel=1e-9, abs=1e-12)
    assert torch.equal(corrected["xtr_top"], surrogate(case)["xtr_top"])


def test_every_design_of_a_batch_is_corrected_alike(space, start, surrogate):
    corrected = Corrected(surrogate, {"cd": (0.1, 0.2, 0.3), "cl": (0.0, 0.1, -0.1)})
    x = torch.stack([start, start * 0.9])
    both = corrected(space.decode(x))
    single = corrected(space.decode(x[1:]))
    torch.testing.assert_close(both["cd"][3:], single["cd"])
    plain = surrogate(space.decode(x))
    factor = torch.tensor([0.1, 0.2, 0.3] * 2, dtype=torch.float64).exp()
    torch.testing.assert_close(both["cd"], plain["cd"] * factor)
    torch.testing.assert_close(both.std["cd"], plain.std["cd"] * factor)
    torch.testing.assert_close(both.std["cl"], plain.std["cl"])
    assert (both.lower["cl"] < both["cl"]).all() and (both["cl"] < both.upper["cl"]).all()


def test_a_point_without_verdict_keeps_its_offset(space, start, points, surrogate, make_solver):
    case = space.decode(start[None])
    found = verify(case.pos, points, make_solver(stall_deg=-90.0), case.alpha_deg.tolist())
    before = {"cd": (0.1, 0.2, 0.3)}
    offsets = offsets_from(surrogate(case), found.verdicts, before)
    assert offsets["cd"] == before["cd"] and offsets["cl"] == (0.0, 0.0, 0.0)
