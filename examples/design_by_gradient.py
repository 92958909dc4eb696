# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
# ---

# %% [markdown]
# # Design by gradient
#
# A design space turns parameters into a section, the surrogate turns the section into
# coefficients, an objective turns these into a number. All three are differentiable, so the
# gradient of the number to every parameter is exact and costs about as much as the number.

# %%
import torch

import formwright
from formwright import (
    CST,
    SLSQP,
    OperatingPoint,
    OperatingPoints,
    Problem,
    Section,
    constraints,
    load_section,
    objectives,
    optimise,
    section_case,
    write_dat,
)

surrogate = formwright.load("airfoil-polar")
points = OperatingPoints(
    points=(
        OperatingPoint(cl=0.5, reynolds=1e6, weight=2.0),
        OperatingPoint(cl=0.9, reynolds=7e5),
    )
)
space = CST(points=points)

# %% [markdown]
# The start is NACA 2412, encoded in the parameters of the space.

# %%
alpha = torch.tensor([2.0, 6.0], dtype=torch.float64)
reynolds = torch.tensor([1e6, 7e5], dtype=torch.float64)
start = section_case(load_section("naca2412").pos, {"alpha_deg": alpha, "reynolds": reynolds})
x0 = space.encode(start)[0]
problem = Problem(
    space=space,
    surrogate=surrogate,
    objective=objectives.weighted_drag(points.weights),
    constraints=(
        constraints.lift_targets(points),
        constraints.label_between("cm", lower=-0.06, scale=0.01),
        constraints.thickness(0.3, lower=0.11),
        constraints.positive_thickness(0.0),
    ),
)

# %% [markdown]
# The gradient of the objective to each parameter:

# %%
x = x0[None].clone().requires_grad_(True)
(gradient,) = torch.autograd.grad(problem.evaluate(x).objective.sum(), x)
for name, value in list(zip(space.names, gradient[0].tolist(), strict=True))[:4]:
    print(f"{name:12} {value:+.5f}")

# %% [markdown]
# An optimiser is a value; scipy's SLSQP takes the exact gradients of objective and constraints.

# %%
solution = optimise(problem, SLSQP(max_iterations=60), x0)
print(solution.message, f"{solution.seconds:.1f} s, {solution.evaluations} evaluations")
before = problem.evaluate(x0[None]).objective.item()
print(f"weighted drag {before:.5f} -> {solution.objective:.5f}, feasible: {solution.feasible}")
for name, value in solution.constraints.items():
    print(f"{name:22} {[round(v, 4) for v in value.tolist()]}")

# %% [markdown]
# This is a claim. A study (`formwright optimize study.toml`) adds what is missing here: the
# solver's verdict, point by point, and a report.

# %%
pos = solution.case.pos.detach()
write_dat("design.dat", Section(name="design", pos=pos, family="study", source="this notebook"))
