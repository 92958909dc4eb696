# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
# ---

# %% [markdown]
# # From a `.dat` file to turbulent flow
#
# Your section is a file of coordinates; what you want is the flow around it, its forces, and how
# far they are to be trusted. Here the file is made from a section of the shipped database, so that
# the notebook runs anywhere; put the path of your own in its place.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import formwright
from formwright import (
    OpenFOAM,
    field_figure,
    in_file_directions,
    integrate_flow,
    load,
    load_section,
    predict_in_file,
    read_flow_vtu,
    write_dat,
    write_in_file_axes,
)

path = Path("mine.dat")
write_dat(path, load_section("e387"))
section = load_section(path)
print(section.name, len(section.pos), "points")

# %% [markdown]
# ## Forces, with the error to expect
#
# `rans-2d` corrects the potential flow and the polar of natural transition toward RANS with k-omega
# SST, turbulent from the nose on. Its intervals hold nine of ten cases of families that it was not
# trained on. Incidences are those in the axes in which the file stands, here and below.

# %%
forces = formwright.load("rans-2d")
alpha = np.arange(-4.0, 12.1, 1.0)
polar = forces.predict(section, alpha_deg=alpha, reynolds=3e6)

figure, (lift, drag) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
lift.plot(alpha, polar["cl"])
lift.fill_between(alpha, polar["cl_lower"], polar["cl_upper"], alpha=0.3)
lift.set(xlabel="incidence, deg", ylabel="lift coefficient")
drag.plot(polar["cl"], 1e4 * polar["cd"])
drag.fill_between(polar["cl"], 1e4 * polar["cd_lower"], 1e4 * polar["cd_upper"], alpha=0.3)
drag.set(xlabel="lift coefficient", ylabel="drag, counts")
figure.savefig("polar.svg")

# %% [markdown]
# ## The field
#
# The surrogate of fields answers on the mesh that the solver would use: velocity, pressure and eddy
# viscosity at 39,200 cells, pressure and friction on the wall. Its forces are what these integrate
# to, by the integrator that also reads the solver's walls. The files for ParaView stand in the axes
# of the section's file and hold incidence, Reynolds number and forces as field data.

# %%
flow = predict_in_file(load("rans-fields"), section, 4.0, 3e6)
print(f"{len(flow.quads)} cells in {flow.seconds:.2f} s; cl = {flow.forces['cl']:.4f}")
again = integrate_flow(flow)
print(f"integrated again: cl = {float(again.cl):.4f}, cd = {float(again.cd):.5f}")
write_in_file_axes("flow", flow, section.placement)  # flow.vtu and flow.vtp
read = read_flow_vtu("flow.vtu")
print(f"from the file, at {read.alpha_deg:g} deg: cl = {read.forces['cl']:.4f}")
field_figure(flow).savefig("flow.png", dpi=150)

# %% [markdown]
# Two surrogates, trained apart, on one wall: where they differ, ask the solver.

# %%
table = forces.predict(section, alpha_deg=4.0, reynolds=3e6)
for name in ("cl", "cd"):
    low, high = table[f"{name}_lower"], table[f"{name}_upper"]
    print(f"{name}: {table[name]:.4f} ({low:.4f} .. {high:.4f}) by rans-2d,", end=" ")
    print(f"{flow.forces[name]:.4f} by the fields")

# %% [markdown]
# ## The verdict
#
# With OpenFOAM installed, the same case in about a minute; then the figure shows prediction, truth
# and error side by side. The solver takes the contour in its own axes, and the incidence to them.

# %%
VERIFY = False
if VERIFY and OpenFOAM().available():
    own = 4.0 + section.placement.rotation_deg
    truth = in_file_directions(OpenFOAM().flow(section.pos, own, 3e6), section.placement)
    print({name: truth.forces[name] for name in ("cl", "cd", "cm")})
    field_figure(flow, truth).savefig("verdict.png", dpi=200)
