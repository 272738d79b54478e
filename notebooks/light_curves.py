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
# # Light curves and UMAP
#
# One score says how a source looks once. An artefact comes once, an object stays: the sources of all visits
# are put together to objects, and their light curves say which candidates are confirmed.
#
# The repository is the one that `make demo` leaves, or any in which the main job has run.

# %% tags=["parameters"]
REPO = "../demo/repo"
COLLECTION = "u/demo/cb9c87"
MAP = "auto"

# %%
import matplotlib.pyplot as plt
import numpy as np

import lsst.meas.realbogus as rb

curves = rb.read_light_curves(REPO, COLLECTION)
objects = curves.objects
print(f"{len(curves.association)} sources of {len(objects)} objects")

# %% [markdown]
# ## What is confirmed, and why the rest is not
#
# Each object has the first reason that applies. Labels are known here, from the truth of the simulation.

# %%
words, counts = np.unique(objects["confirmation"], return_counts=True)
for word, count in zip(words, counts, strict=True):
    labels = objects["label"][objects["confirmation"] == word]
    print(f"{word:14} {count:5}   real {np.sum(labels == 1):4}   bogus {np.sum(labels == 0):4}")

# %%
figure, axis = plt.subplots(figsize=(6, 3.6))
for label, name in ((0, "bogus"), (1, "real")):
    rows = objects[objects["label"] == label]
    jitter = np.random.default_rng(label).uniform(-0.25, 0.25, len(rows))
    axis.scatter(rows["nDiaSources"] + jitter, rows["medianScore"], s=12, alpha=0.6, label=name)
axis.set(xlabel="sources of the object", ylabel="median score", xticks=np.unique(objects["nDiaSources"]))
axis.legend()
# %% [markdown]
# ## The light curves themselves
#
# Filled symbols are epochs with a score of at least a half; triangles are images that cover the object and
# show no source there, at five times the typical error.

# %%
best = objects[np.lexsort((-objects["maxScore"], -objects["nDiaSources"]))][:6]
figure, axes = plt.subplots(2, 3, figsize=(10, 5), sharex=True)
for axis, row in zip(axes.flat, best, strict=False):
    curve = curves.of(row["diaObjectId"])
    found, above = curve["diaSourceId"] >= 0, curve["score"] >= 0.5
    time = curve["midpointMjdTai"] - curves.epochs["midpointMjdTai"].min()
    axis.errorbar(time[found], curve["psfFlux"][found], curve["psfFluxErr"][found], fmt="o", mfc="white")
    axis.plot(time[found & above], curve["psfFlux"][found & above], "o", color="C0", zorder=3)
    axis.plot(time[~found], 5 * curve["psfFluxErr"][~found], "v", color="0.6")
    axis.axhline(0, color="0.8", lw=1)
    axis.set_title(f"{row['diaObjectId']}\n{row['confirmation']}, label {row['label']}", fontsize=8)
figure.supxlabel("days")
figure.supylabel("difference flux (nJy)")
figure.tight_layout()

# %% [markdown]
# ## Other rules
#
# What confirms an object is an option. Variables and active nuclei may cross their mean flux, so their
# light curves have both signs; a stricter rule asks for three epochs.

# %%
sources = rb.read_collection(REPO, COLLECTION).sources
for settings in ({}, {"one_sign": False}, {"min_epochs": 3}, {"threshold": 0.9}):
    options = rb.LightCurveOptions().replace(confirmation=settings)
    found = rb.make_light_curves(sources, options=options).objects
    good = found["confirmation"] == "confirmed"
    print(f"{settings!s:24} confirmed: real {np.sum(good & (found['label'] == 1)):3}, "
          f"bogus {np.sum(good & (found['label'] == 0)):3}")  # fmt: skip

# %% [markdown]
# ## Light curves on the map of the network
#
# The last hidden layer of the network, laid out in a plane (UMAP, or principal components without the extra
# `umap`), puts sources side by side that it finds alike. The epochs of one object are joined by lines:
# those of a confirmed object lie close together. Needs the extra `train`.

# %%
batches, _ = rb.read_stamps_with_labels(REPO, COLLECTION)
options = rb.ExplanationOptions().replace(embedding={"method": MAP})
explained = rb.explain_stamps(rb.load_explainer("package:dia"), batches, options).table
place = {row["diaSourceId"]: (row["embedding_x"], row["embedding_y"]) for row in explained}

figure, axis = plt.subplots(figsize=(6, 5))
points = axis.scatter(
    explained["embedding_x"],
    explained["embedding_y"],
    c=explained["score"],
    s=12,
    cmap="coolwarm_r",
    vmin=0,
    vmax=1,
)
for row in best:
    curve = curves.of(row["diaObjectId"])
    path = np.array([place[i] for i in curve["diaSourceId"] if i in place])
    axis.plot(*path.T, "-", color="0.2", lw=1)
figure.colorbar(points, label="score")
axis.set(xticks=[], yticks=[], title=f"last hidden layer of dia ({explained.meta['embedding']})")

# %% [markdown]
# A page that links such a map with light curves and the stamps of every epoch is made by
#
#     realbogus explain --run REPO COLLECTION --table explanation.parquet
#     realbogus lightcurves REPO COLLECTION --map explanation.parquet -o lightcurves.html
