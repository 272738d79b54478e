# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Validating an injection campaign
#
# Before anything is concluded from fakes, they must be what their catalogue says: drawn, at their places,
# with their fluxes, and with the noise that the variance plane claims.
#
# The repository is the one that `make demo` leaves, or any in which the main job has run.

# %% tags=["parameters"]
REPO = "../demo/repo"
COLLECTION = "u/demo/cb9c87"

# %%
import matplotlib.pyplot as plt
import numpy as np

import lsst.meas.realbogus as rb

validation = rb.validate_collection(REPO, COLLECTION)
print("verdict:", validation.verdict)
validation.table["check", "status", "value", "low", "high"]

# %% [markdown]
# ## Where the fakes went
#
# Every injected source has a fate, and the fates add up.

# %%
recovery = validation.recovery
fates, counts = np.unique(recovery["fate"], return_counts=True)
for fate, count in sorted(zip(fates, counts, strict=True), key=lambda pair: -pair[1]):
    print(f"{fate:16} {count:5}  {count / counts.sum():6.1%}")

# %% [markdown]
# ## Recovered against injected
#
# Faint fakes that were *found* are measured too bright: noise has lifted them over the threshold. That is
# why the checks cut on the expected SNR, which knows nothing of the noise. The right panel compares the
# pulls of the others with a normal distribution.

# %%
found = recovery[recovery["fate"] == "found"]
bright = found[found["snr_expected"] > 10]
pull = (bright["psfFlux"] - bright["flux"]) / bright["psfFluxErr"]

figure, axes = plt.subplots(1, 2, figsize=(9, 3.4))
axes[0].semilogx(found["snr_expected"], found["psfFlux"] / found["flux"], ".")
axes[0].axhline(1, color="0.7")
axes[0].set(xlabel="expected SNR", ylabel="measured / injected flux", ylim=(0, 3))
axes[1].hist(np.clip(pull, -6, 6), np.linspace(-6, 6, 31), density=True)
grid = np.linspace(-6, 6, 200)
axes[1].plot(grid, np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi), color="k")
axes[1].set(xlabel="(measured - injected flux) / error")
figure.tight_layout()

# %% [markdown]
# ## By magnitude, host and edge
#
# `validation.bins` has the same in bins; here the fraction found and the flux bias by magnitude.

# %%
bins = validation.bins[validation.bins["quantity"] == "magnitude"]
middle = (bins["low"] + bins["high"]) / 2
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharex=True)
axes[0].vlines(middle, bins["found_low"], bins["found_high"])
axes[0].plot(middle, bins["found"], "o")
axes[0].set(xlabel="magnitude", ylabel="fraction found")
axes[1].errorbar(middle, bins["flux_bias"], bins["flux_bias_error"], fmt="o")
axes[1].axhline(0, color="0.7")
axes[1].set(xlabel="magnitude", ylabel="flux bias")
figure.tight_layout()

# %% [markdown]
# The same as files, or as a task of a pipeline (`doc/validation.md`):
#
#     realbogus validate REPO COLLECTION -o validation
