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
# # Wrong labels, and co-teaching
#
# Where labels come from injections, everything that was not injected is called bogus, and real transients
# hide among the bogus sources. Here such reals are hidden on purpose, and two networks that each choose
# what the other learns from (co-teaching) are compared with one network that believes every label. Needs
# the extra `train`.
#
# The networks are small and learn for some seconds only: what to take from this notebook is how it is done.
# `doc/evaluation.md` has the study `co_teaching`.

# %% tags=["parameters"]
REPO = "../demo/repo"
COLLECTION = "u/demo/cb9c87"
EPOCHS = 16
HIDDEN = 0.2

# %%
import dataclasses
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import lsst.meas.realbogus as rb

folder = Path(tempfile.mkdtemp())
rb.export_labelled_stamps([(REPO, COLLECTION)], folder / "stamps")
stamps = rb.StampSet(folder / "stamps").load()
print(f"{len(stamps.label)} labelled stamps, {np.sum(stamps.label == 1)} real")

# %% [markdown]
# ## Hiding reals
#
# Of what is labelled bogus in the end, the fraction `HIDDEN` is real. The true labels are kept to judge by.
# Stamps of one object are never on two sides of the split.

# %%
noisy = dataclasses.replace(stamps, label=rb.corrupt_labels(stamps.label, hidden_reals=HIDDEN, seed=1))
hidden = noisy.label != stamps.label
options = rb.ModelOptions(
    filters=(8, 8, 16), stamp_size=21, split_by=("object",), fractions=(0.6, 0.2, 0.2)
).replace(training={"epochs": EPOCHS, "batch_size": 32, "first_epoch": EPOCHS - 1, "learning_rate": 3e-3})
columns = {name: getattr(noisy, name) for name in ("label", "object_id", "group")}
split = rb.ordered_split(options, columns)
learn, judge = split.rows("learn"), split.rows("judge")
print(
    f"{hidden.sum()} reals are hidden, {hidden[learn].sum()} of them among {learn.size} stamps to learn from"
)

# %% [markdown]
# ## Two ways to learn
#
# `standard` believes every label. `asymmetric` leaves out, of each class, the stamps that the other network
# finds hardest: a larger part of the bogus ones, as it is there that labels are wrong.

# %%
STRATEGIES = {
    "standard": {},
    "co-teaching": {"name": "asymmetric", "forget_bogus": 1.3 * HIDDEN, "forget_epochs": max(EPOCHS // 2, 1)},
}
scores = {}
for name, strategy in STRATEGIES.items():
    chosen = options.replace(name=name, training={"strategy": strategy})
    rb.train_model(
        rb.ordered_contract(chosen),
        noisy,
        split=split,
        config=chosen.training,
        path=folder / f"{name}.rbmodel",
    )
    model = rb.load(folder / f"{name}.rbmodel")
    scores[name] = model.score(stamps.pixels, is_negative=stamps.is_negative, as_array=True)

# %% [markdown]
# ## What became of the hidden reals
#
# A network that has learnt the wrong labels gives hidden reals low scores. Compare at a fixed false-
# positive rate, not at a score of a half: forgetting bogus stamps moves all scores up.

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True)
groups = {"hidden reals": hidden, "other reals": ~hidden & (stamps.label == 1), "bogus": stamps.label == 0}
for axis, (name, values) in zip(axes, scores.items(), strict=True):
    for group, rows in groups.items():
        part = values[learn][rows[learn]]
        axis.hist(part, np.linspace(0, 1, 21), density=True, histtype="step", lw=2, label=group)
    axis.set(title=name, xlabel="score of stamps learnt from")
axes[0].legend()
# %%
for name, values in scores.items():
    values, truth = np.nan_to_num(values, nan=-1), stamps.label == 1
    limit = np.quantile(values[learn][~truth[learn]], 0.95)
    print(
        f"{name:12} at 5 % false positives: {np.mean(values[learn][hidden[learn]] > limit):.2f} of the "
        f"hidden reals, {np.mean(values[judge][truth[judge]] > limit):.2f} of the reals it has not seen"
    )
