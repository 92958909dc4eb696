# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
# ---

# %% [markdown]
# # Polars of any section
#
# A surrogate predicts lift, drag, moment and transition of any airfoil section, and says how far it
# is to be trusted. A section may be a NACA name, a name of the shipped database, a `.dat` file, an
# array of points or a CST vector.

# %%
import matplotlib.pyplot as plt
import numpy as np

import formwright

surrogate = formwright.load("airfoil-polar")
alpha = np.arange(-6.0, 14.1, 0.5)
names = ["naca0012", "naca4412", "e387"]
polars = surrogate.predict(names, alpha_deg=alpha, reynolds=1e6)
print(polars)

# %% [markdown]
# Every output is an array of sections by conditions; one section alone has the shape of its
# conditions. A section is encoded once, so that a polar of forty points costs little more than one
# point.

# %%
figure, (shapes, left, right) = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
for i, name in enumerate(names):
    pos = formwright.load_section(name).pos
    shapes.plot(*pos.T - 0.3 * i * np.array([[0.0], [1.0]]), label=name)
    left.plot(alpha, polars["cl"][i])
    right.plot(polars["cd"][i], polars["cl"][i])
shapes.set(aspect="equal", xlabel="x / c", yticks=[])
shapes.legend(loc="upper right", fontsize="small")
left.set(xlabel="incidence, deg", ylabel="lift coefficient")
right.set(xlabel="drag coefficient", ylabel="lift coefficient", xlim=(0, 0.03))
figure.savefig("polars.svg")

# %% [markdown]
# ## Conditions broadcast
#
# Reynolds number and Ncrit may differ from point to point, or from section to section.

# %%
reynolds = np.array([[2e5], [1e6], [5e6]])
drag = surrogate.predict(["e387"] * 3, alpha_deg=[0.0, 2.0, 4.0], reynolds=reynolds)["cd"]
for value, row in zip(reynolds[:, 0], drag, strict=True):
    print(f"Re {value:9,.0f}: CD at 0, 2, 4 deg " + "  ".join(f"{cd:.5f}" for cd in row))

# %% [markdown]
# ## How far to trust it
#
# Every answer comes with an interval, calibrated on families of sections that were not seen in
# training. It grows towards stall, where XFoil seldom converges.

# %%
polar = surrogate.predict("naca4412", alpha_deg=alpha, reynolds=1e6)
ends = zip(alpha, polar["cl"], polar["cl_lower"], polar["cl_upper"], strict=True)
for a, cl, low, high in list(ends)[::8]:
    print(f"{a:5.1f} deg: CL {cl:6.3f} ({low:.3f} .. {high:.3f})")
