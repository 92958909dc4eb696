"""A corrected surrogate says at the verified design what the solver said."""

import pytest
import torch

from formwright.design.airfoils.correction import MOST_DOUBT, Corrected, doubt, offsets_from
from formwright.design.airfoils.verify import Verdict, verify


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


def verdict(cd, converged=True):
    return Verdict(
        converged=converged, reason="", alpha_deg=1.0, labels={"cd": cd}, dropped=0, fields={}
    )


def test_a_doubt_counts_the_deviations_of_the_worst_point(space, start, points, surrogate):
    said = surrogate(space.decode(start[None]))
    pairs = list(zip(said["cd"].tolist(), said.std["cd"].tolist(), strict=True))
    for most, expected in ((0.2, 1.0), (3.0, 3.0), (50.0, MOST_DOUBT)):
        off = [most if i == 1 else 0.1 for i in range(len(pairs))]
        drag = [mean + k * std for k, (mean, std) in zip(off, pairs, strict=True)]
        verdicts = [verdict(cd) for cd in drag]
        assert doubt(said, verdicts, "cd") == pytest.approx(expected)
    verdicts[1] = verdict(drag[1], converged=False)
    assert doubt(said, verdicts, "cd") == 1.0
