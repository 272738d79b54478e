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
# # Evaluation against the truth of DC2
#
# The DESC DC2 simulation knows every supernova that went off. A classifier sees only those that were
# detected: metrics of its scores are conditional on detection, and say nothing of what was lost before.
# DMTN-274 asks for both, side by side.
#
# The truth here is a table of SALT2 parameters of supernovae. There are no DC2 images beside this notebook,
# so the DIA sources of a few nights are made up: supernovae above 5 sigma with scattered positions, and ten
# times as many false positives, with scores of a decent classifier. On a real run, one line at the end does
# the counting.

# %% tags=["parameters"]
TRUTH = "../../shared/data/truth_dc2/sne_cosmoDC2_v1.1.4_MS_DDF_small.db"

# %%
import matplotlib.pyplot as plt
import numpy as np
from astropy.table import Table
from sklearn.metrics import precision_recall_curve

import lsst.meas.realbogus as rb

truth = rb.read_dc2_tables(supernovae=TRUTH)
peaks = truth.supernovae["t0"]
print(f"{len(truth.supernovae)} supernovae, maxima from MJD {peaks.min():.0f} to {peaks.max():.0f}")

# %% [markdown]
# ## What changed in a night
#
# `changes` gives the light of every supernova that is alight at the time of a visit.

# %%
rng = np.random.default_rng(1)
nights = np.median(peaks) + 5.0 * np.arange(40)
changes = [truth.changes(visit, "r", mjd, magnitudes=rb.dc2_magnitudes) for visit, mjd in enumerate(nights)]
print(f"{np.mean([len(table) for table in changes]):.0f} supernovae are alight in a night")
changes[0]["dc2_id", "ra", "dec", "delta_flux", "mag_r"][:5]

# %% [markdown]
# ## Sources, matched with the truth
#
# A source is the nearest true change within an arcsecond, as in DMTN-274.

# %%
NOISE = 100.0  # nJy, of a flux in a difference of two 30 s exposures


def make_sources(table):
    """Make the DIA sources of a night: what is above five sigma, and false positives."""
    seen = table[rng.normal(table["delta_flux"], NOISE) > 5 * NOISE]
    n_false = 10 * len(seen)
    near = rng.integers(len(table), size=n_false)
    ra = np.concatenate(
        [seen["ra"] + rng.normal(0, 3e-5, len(seen)), table["ra"][near] + rng.uniform(0.01, 0.1, n_false)]
    )
    dec = np.concatenate([seen["dec"] + rng.normal(0, 3e-5, len(seen)), table["dec"][near]])
    score = np.concatenate([rng.beta(5, 1.2, len(seen)), rng.beta(1, 6, n_false)])
    return Table({"ra": ra, "dec": dec, "score": score})


sources = [make_sources(table) for table in changes]
rows = [rb.find_truth(found, table, radius=1.0) for found, table in zip(sources, changes, strict=True)]
counts = sum(
    (rb.DetectionCounts.of(row, len(table)) for row, table in zip(rows, changes, strict=True)),
    rb.DetectionCounts(),
)
print(f"DIA sources            {counts.n_sources:6}")
print(f"  matched with truth   {counts.n_matched:6}")
print(f"  unmatched            {counts.n_unmatched:6}")
print(f"true changes           {counts.n_truth:6}")
print(f"  missed               {counts.n_missed:6}  ({counts.missed_fraction:.1%})")

# %% [markdown]
# ## Conditional on detection, and end to end
#
# Recall among the detected, and among all that changed brighter than a limit. The second cannot reach 1,
# whatever the classifier does: dotted lines are the detected fractions.

# %%
score = np.concatenate([table["score"] for table in sources])
is_true = np.concatenate(rows) >= 0
precision, recall, _ = precision_recall_curve(is_true, score)
flux = np.concatenate([table["delta_flux"] for table in changes])
detected = np.concatenate(
    [np.isin(np.arange(len(table)), row) for row, table in zip(rows, changes, strict=True)]
)
of_source = np.concatenate([table["delta_flux"][row] for row, table in zip(rows, changes, strict=True)])

figure, axis = plt.subplots(figsize=(6, 4))
axis.plot(recall, precision, "k", label="of the detected")
for limit in (23.0, 24.0, 25.0):
    bright = flux > 10 ** ((31.4 - limit) / 2.5)
    kept = ~is_true | (of_source > 10 ** ((31.4 - limit) / 2.5))
    precision, recall, _ = precision_recall_curve(is_true[kept], score[kept])
    fraction = detected[bright].mean()
    (line,) = axis.plot(recall * fraction, precision, label=f"of all changes brighter than {limit:.0f}")
    axis.axvline(fraction, color=line.get_color(), ls=":")
axis.set(xlabel="recall", ylabel="precision", xlim=(0, 1.03), ylim=(0, 1.03))
axis.legend(fontsize=8)

# %% [markdown]
# ## On a run of your own
#
# With a Butler collection of DIA sources on DC2 images (`read_dc2_selection` names the hundred of
# DMTN-274):
#
#     comparison = rb.compare_with_dc2(REPO, COLLECTION, truth)
#     comparison.counts, comparison.on_good_pixels
#
# or, from the command line,
#
#     realbogus truth dc2 REPO COLLECTION --supernovae sne.db
