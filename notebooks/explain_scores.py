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
# # With and without the difference image
#
# Two networks score the same sources: one sees science, template and difference, the other does without the
# difference. Which image do they look at, and where? Saliency is the absolute gradient of the answer with
# respect to each pixel; the share of an image in its sum says how much that image decides (Acero-Cuellar et
# al. 2023). Needs the extra `train`.

# %% tags=["parameters"]
REPO = "../demo/repo"
COLLECTION = "u/demo/cb9c87"
SOURCES = 300

# %%
import matplotlib.pyplot as plt
import numpy as np

import lsst.meas.realbogus as rb

batches, total = rb.read_stamps_with_labels(REPO, COLLECTION, max_sources=SOURCES)
print(f"{sum(map(len, batches))} of {total} sources")
explainers = {name: rb.load_explainer(f"package:{name}") for name in ("dia", "nodia")}
options = rb.ExplanationOptions().replace(embedding={"method": "pca"})  # the map is not looked at here
tables = {
    name: rb.explain_stamps(explainer, batches, options).table for name, explainer in explainers.items()
}

# %% [markdown]
# ## Which image decides
#
# For each outcome, the mean share of every image. Reals that are found (TP) and bogus sources that are
# refused (TN) need not be decided by the same image.

# %%
images = ("difference", "science", "template")
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True)
for axis, (name, table) in zip(axes, tables.items(), strict=True):
    winners = rb.count_winners(table)
    winners = winners[winners["n"] > 0]
    start = np.zeros(len(winners))
    for image in images:
        share = np.nan_to_num(winners[f"{image}_mean"])
        axis.bar(np.arange(len(winners)), share, bottom=start, label=image)
        start += share
    axis.set_xticks(range(len(winners)), [f"{row['outcome']}\n{row['n']}" for row in winners])
    axis.set_title(name)
axes[0].set_ylabel("mean share of the saliency")
axes[1].legend(fontsize=8, loc="lower right")
# %% [markdown]
# ## Where they look
#
# The reals of which the two networks think most differently: what each is shown, and its saliency beneath.

# %%
scores = {name: np.asarray(table["score"], float) for name, table in tables.items()}
gap = np.nan_to_num(np.abs(scores["dia"] - scores["nodia"]), nan=-1)
real = np.asarray(tables["dia"]["label"]) == 1
row = int(np.argmax(np.where(real, gap, -1)))
starts = np.cumsum([0, *(len(batch) for batch in batches)])
number = int(np.searchsorted(starts, row, side="right")) - 1
source = batches[number][[row - starts[number]]]

figure, axes = plt.subplots(4, 3, figsize=(6.5, 8.6), subplot_kw={"xticks": [], "yticks": []})
for pair, (name, explainer) in zip((axes[:2], axes[2:]), explainers.items(), strict=True):
    inputs = rb.prepare_batch(explainer.contract, source).inputs
    shown, moved = (
        rb.split_segments(explainer.contract, pixels) for pixels in (inputs, explainer.saliency(inputs))
    )
    for column, image in zip(pair.T, images, strict=True):
        if image in shown:
            column[0].imshow(np.arcsinh(shown[image][0]), cmap="gray", origin="lower")
            column[1].imshow(moved[image][0], cmap="magma", origin="lower")
        column[0].set_title(image, fontsize=9)
    pair[0, 0].set_ylabel(f"{name}, score {scores[name][row]:.2f}")
    pair[1, 0].set_ylabel("saliency")
figure.tight_layout()

# %% [markdown]
# ## What they disagree on

# %%
figure, axis = plt.subplots(figsize=(4.6, 4.2))
for label, what in ((0, "bogus"), (1, "real")):
    rows = np.asarray(tables["dia"]["label"]) == label
    axis.plot(scores["dia"][rows], scores["nodia"][rows], ".", alpha=0.6, label=what)
axis.set(xlabel="score of dia", ylabel="score of nodia", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
axis.legend()

# %% [markdown]
# A page with the hardest cases, which can be labelled there:
#
#     realbogus explain --run REPO COLLECTION -o explanation.html
