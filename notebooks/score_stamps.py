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
# # Scoring your own stamps
#
# You have stamps of transients and artefacts as arrays, from any camera, and want to know which are real.
# No Butler is needed. Here the stamps are made on the spot: stars that have appeared, cosmic rays, and
# dipoles of stars whose positions in the two images do not agree.

# %%
import matplotlib.pyplot as plt
import numpy as np

import lsst.meas.realbogus as rb

# %%
SIZE, N, NOISE, SIGMA = 51, 60, 20.0, 1.7
rng = np.random.default_rng(4)
y, x = np.mgrid[:SIZE, :SIZE] - SIZE // 2


def star(dx=0.0, dy=0.0):
    return np.exp(-((x - dx) ** 2 + (y - dy) ** 2) / (2 * SIGMA**2))


kind = np.repeat(["star", "cosmic ray", "dipole"], N)
flux = rng.uniform(100, 1000, kind.size)
science, template = rng.normal(0, NOISE, (2, kind.size, SIZE, SIZE))
for row, (what, peak) in enumerate(zip(kind, flux, strict=True)):
    if what == "star":
        science[row] += peak * star()
    elif what == "cosmic ray":
        length, angle = rng.uniform(0, 8), rng.uniform(0, np.pi)
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        science[row] += 3 * peak * ((abs(along) <= length / 2 + 0.5) & (abs(across) <= 0.5))
    else:
        science[row] += 5 * peak * star(0.25, 0.0)
        template[row] += 5 * peak * star(-0.25, 0.0)
difference = science - template

# %% [markdown]
# ## Scores
#
# `score` takes the images by name and returns a table with one row for each source, in order. `is_negative`
# says which sources are fainter in the science image, `pixel_scale` resamples stamps of another camera to
# the model's scale, and pixels that are NaN or masked are missing.

# %%
model = rb.load("package:dia")
science[5, :, :10] = np.nan  # ten columns off the edge of the image
scores = model.score(
    science=science, template=template, difference=science - template, psf_fwhm=2.355 * SIGMA
)
scores["id", "score", "fraction_missing", "flag_nan", "flag_unscorable"][3:8]

# %% [markdown]
# The second packaged model looks at science image and template alone: for when there is no difference
# image.

# %%
nodia = rb.load("package:nodia").score(
    science=science, template=template, psf_fwhm=2.355 * SIGMA, as_array=True
)
figure, axes = plt.subplots(1, 2, figsize=(9, 3), sharey=True)
for axis, name, values in zip(axes, ("dia", "nodia"), (scores["score"], nodia), strict=True):
    for what in np.unique(kind):
        axis.hist(values[kind == what], np.linspace(0, 1, 21), histtype="step", lw=2, label=what)
    axis.set(title=name, xlabel="score")
axes[0].set_ylabel("sources")
axes[0].legend(loc="upper center")
# %% [markdown]
# ## The ones to look at
#
# Scores are probabilities of being real for as many reals as bogus sources. Those near a half are the ones
# a person should see.

# %%
unsure = np.argsort(np.abs(np.nan_to_num(scores["score"], nan=2) - 0.5))[:6]
figure, axes = plt.subplots(3, len(unsure), figsize=(9, 4.6), subplot_kw={"xticks": [], "yticks": []})
for column, row in zip(axes.T, unsure, strict=True):
    for axis, stamp in zip(column, (science[row], template[row], difference[row]), strict=True):
        axis.imshow(np.arcsinh(stamp / (2 * NOISE)), cmap="gray", origin="lower")
    column[0].set_title(f"{kind[row]}\n{scores['score'][row]:.2f}", fontsize=9)
for axis, name in zip(axes[:, 0], ("science", "template", "difference"), strict=True):
    axis.set_ylabel(name)

# %% [markdown]
# Files of stamps (npz, parquet, FITS, alert packets) are scored from the command line:
#
#     realbogus score -m package:dia stamps.npz -o scores.parquet
#
# `doc/scoring_files.md` says what they may hold.
