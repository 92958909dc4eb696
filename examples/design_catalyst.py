# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
# ---

# %% [markdown]
# # Alloys by gradient, judged by DFT
#
# An ordered alloy is a mixture of elements on each sublattice, sharpened until it is real. The
# surrogate is differentiable in the mixture, so a gradient says which element a site wants.

# %%
import torch

from formwright import (
    AdsorptionConfig,
    AlloyDesign,
    CatalystStudy,
    OrderedAlloys,
    Problem,
    Target,
    Verifier,
    load,
    objective_of,
    run,
)

hydrogen = Target(adsorbate="H", energy_ev=-0.24, tolerance_ev=0.1)

# %% [markdown]
# A study fine-tunes a surrogate on a few labels of the Mamun table, proposes alloys, and asks the
# table's other labels. The settings here are those of a sketch, and the network is small and has
# learned nothing before; `formwright demo catalyst` begins with the shipped encoder
# (`encoder="atoms"`, the default) and takes minutes.

# %%
study = CatalystStudy(
    name="sketch",
    encoder="none",
    network=AdsorptionConfig(channels=16, layers=1, cutoff=4.0),
    labels=200,
    steps=40,
    more_steps=10,
    rounds=2,
    verifier=Verifier.TABLE,
    design=AlloyDesign(targets=(hydrogen,), proposals=6, starts=4, steps=4),
    exclude=("Pt", "Ir", "Rh"),
)
outcome = run(study, "catalyst", resume=False, progress=False)
print(outcome.verdict)

# %% [markdown]
# Claims with their intervals, and verdicts:

# %%
for row in outcome.result["proposals"][:6]:
    claim, verdict = row["claims"]["H"], row["verdicts"]["H"]
    print(
        f"{row['name']:8} {claim['site']:18} claimed {claim['energy_ev']:+.2f} "
        f"({claim['lower_ev']:+.2f} to {claim['upper_ev']:+.2f}), "
        f"DFT {verdict['energy_ev']:+.2f} eV"
    )

# %% [markdown]
# The surrogate of the last round, and its gradient to the elements of one mixture: a negative
# number means that more of the element makes a hit more probable.

# %%
surrogate = load("catalyst/round-2")
space = OrderedAlloys(prototype="L12", elements=("Ti", "Ni", "Cu", "Pd", "Au"), sharpness=4.0)
problem = Problem(space=space, surrogate=surrogate, objective=objective_of(space, (hydrogen,)))
x = space.bounds.mean(0, keepdim=True).requires_grad_(True)
(gradient,) = torch.autograd.grad(problem.evaluate(x).objective.sum(), x)
for name, value in zip(space.names[:10], gradient[0, :10].tolist(), strict=True):
    print(f"{name:12} {value:+.4f}")
