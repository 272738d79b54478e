"""What a network has to beat: classifiers that see a few numbers measured on the stamps."""

from __future__ import annotations

__all__ = ("BASELINES", "measure_features", "score_baselines")

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ..errors import InvalidInputError
from ..model import has_value
from ..randomness import generator
from ._stamps import LabelledStamps

type Floats = npt.NDArray[np.float64]

_MOST = 15.0
"""Features are shown as arcsinh, and no larger: a cosmic ray must not set the scale of a support vector."""
_SUPPORT_ROWS = 6000
"""A support vector machine takes a time that grows as the square of its sources."""


def measure_features(
    stamps: LabelledStamps, columns: Mapping[str, npt.ArrayLike] | None = None
) -> dict[str, Floats]:
    """Measure features of the kind that autoscan and the random forest of DeepShadows use.

    Everything is measured on the stamps themselves, in units of each stamp's own noise (1.4826 times the
    median absolute deviation) and of the PSF where it is known, so that other cameras have the same features.
    Negative sources are measured with the sign of the difference turned.

    Parameters
    ----------
    stamps
        Stamps of at least 9 pixels; the difference is left out where there is none.
    columns
        Further columns, such as those of a DIA source table, each of shape ``(n,)``.

    Returns
    -------
    dict of str to numpy.ndarray
        Float64 of shape ``(n,)`` each, 0 where a feature is not known. For each image ``IMAGE_peak`` (central
        pixel), ``_sum3``, ``_sum7`` (fluxes in squares), ``_sharp`` (their ratio), ``_excess`` (central pixel
        over the mean of its four neighbours), ``_size`` (root mean square radius of the positive flux, over
        that of the PSF), ``_axis`` (ratio of the axes), ``_shift`` (of the centroid from the centre),
        ``_rows`` and ``_columns`` (contrast of the central row and column), ``_missing`` (fraction of
        pixels); for the difference also ``_below2``, ``_below3`` (pixels below -2 and -3 sigma within 7
        pixels), ``_above3``, ``_negative`` (share of negative flux) and ``_symmetry``; ``snr``,
        ``psf_fwhm``, and ``contrast`` of the central fluxes. After Bloom et al. (2012), Goldstein et al.
        (2015, table 3) and Caldeira et al. (2020).

    Raises
    ------
    InvalidInputError
        Raised if stamps are smaller than 9 pixels, or columns of another length.
    """
    n = len(stamps)
    sign = np.where(stamps.is_negative, -1.0, 1.0)
    psf = np.asarray(stamps.psf_fwhm, np.float64)
    features: dict[str, Floats] = {}
    for role, pixels in stamps.pixels.items():
        if min(pixels.shape[1:]) < 9:
            raise InvalidInputError(f"features need stamps of at least 9 pixels; got {pixels.shape[1:]}")
        middle, missing = _central(pixels, sign if role == "difference" else np.ones(n))
        for name, values in _shape_features(middle, psf).items():
            features[f"{role}_{name}"] = values
        if role == "difference":
            for name, values in _difference_features(middle).items():
                features[f"{role}_{name}"] = values
        features[f"{role}_missing"] = missing
    features["snr"] = np.abs(np.asarray(stamps.snr, np.float64))
    features["psf_fwhm"] = psf
    if {"science_sum7", "template_sum7"} <= set(features):
        features["contrast"] = features["science_sum7"] - features["template_sum7"]
    for name, given in (columns or {}).items():
        values = np.asarray(given, np.float64)
        if values.shape != (n,):
            raise InvalidInputError(f"column {name} must have shape ({n},); got {values.shape}")
        features[name] = values
    return {name: _tame(values) for name, values in features.items()}


def _tame(values: Floats) -> Floats:
    return np.clip(np.nan_to_num(np.arcsinh(values), posinf=_MOST, neginf=-_MOST), -_MOST, _MOST)


def _central(pixels: npt.NDArray[np.float32], sign: Floats) -> tuple[Floats, Floats]:
    """Return the central 9 by 9 pixels in units of the noise, 0 where missing; and what is missing."""
    bad = ~has_value(pixels)
    known = np.where(bad, np.nan, pixels).astype(np.float64)
    flat = known.reshape(len(pixels), -1).copy()
    empty = bad.reshape(len(pixels), -1).all(axis=1)
    flat[empty] = 0.0
    level = np.nanmedian(flat, axis=1)
    noise = 1.4826 * np.nanmedian(np.abs(flat - level[:, None]), axis=1)
    noise[~(noise > 0)] = 1.0
    row, column = (size // 2 for size in pixels.shape[1:])
    middle = known[:, row - 4 : row + 5, column - 4 : column + 5]
    scaled = (middle - level[:, None, None]) * (sign / noise)[:, None, None]
    return np.nan_to_num(scaled, posinf=0.0, neginf=0.0), bad.mean(axis=(1, 2))


def _shape_features(middle: Floats, psf_fwhm: Floats) -> dict[str, Floats]:
    y, x = np.mgrid[-4:5, -4:5].astype(np.float64)
    sum3, sum7 = middle[:, 3:6, 3:6].sum((1, 2)), middle[:, 1:8, 1:8].sum((1, 2))
    flux = np.maximum(middle, 0.0)
    total = np.maximum(flux.sum((1, 2)), 1e-9)
    x0, y0 = (flux * x).sum((1, 2)) / total, (flux * y).sum((1, 2)) / total
    dx, dy = x - x0[:, None, None], y - y0[:, None, None]
    xx, yy, xy = ((flux * part).sum((1, 2)) / total for part in (dx * dx, dy * dy, dx * dy))
    spread = np.sqrt((xx - yy) ** 2 / 4 + xy**2)
    mean = (xx + yy) / 2
    sigma = np.where(np.isfinite(psf_fwhm) & (psf_fwhm > 0), psf_fwhm / 2.3548, 1.0)
    neighbours = (middle[:, 3, 4] + middle[:, 5, 4] + middle[:, 4, 3] + middle[:, 4, 5]) / 4
    return {
        "peak": middle[:, 4, 4],
        "sum3": sum3 / 3,
        "sum7": sum7 / 7,
        "sharp": sum3 / np.where(np.abs(sum7) > 1, sum7, np.copysign(1.0, sum7)),
        "excess": middle[:, 4, 4] - neighbours,
        "size": np.sqrt(np.maximum(mean, 0)) / sigma,
        "axis": np.sqrt(np.maximum(mean - spread, 0) / np.maximum(mean + spread, 1e-9)),
        "shift": np.hypot(x0, y0) / sigma,
        "rows": np.median(middle[:, 4, :], axis=1),
        "columns": np.median(middle[:, :, 4], axis=1),
    }


def _difference_features(middle: Floats) -> dict[str, Floats]:
    near = middle[:, 1:8, 1:8]
    flux = np.abs(near).sum((1, 2))
    return {
        "below2": (near < -2).sum((1, 2)).astype(np.float64),
        "below3": (near < -3).sum((1, 2)).astype(np.float64),
        "above3": (near > 3).sum((1, 2)).astype(np.float64),
        "negative": np.maximum(-near, 0).sum((1, 2)) / np.maximum(flux, 1e-9),
        "symmetry": np.abs(near - near[:, ::-1, ::-1]).sum((1, 2)) / np.maximum(flux, 1e-9),
    }


def _random_forest(seed: int) -> Any:
    # 300 trees, as in DeepShadows; leaves of two keep the scores from being 0 or 1.
    return RandomForestClassifier(300, min_samples_leaf=2, class_weight="balanced", random_state=seed)


def _support_vectors(seed: int) -> Any:
    machine = make_pipeline(StandardScaler(), SVC(C=10.0, class_weight="balanced", random_state=seed))
    return CalibratedClassifierCV(machine, method="sigmoid", cv=3, ensemble=False)


def _logistic(seed: int) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", random_state=seed))


BASELINES: Mapping[str, tuple[Callable[[int], Any], Sequence[str] | None]] = {
    "random forest": (_random_forest, None),
    "support vectors": (_support_vectors, None),
    "logistic on SNR": (_logistic, ("snr",)),
}
"""Classifiers by name: how they are made from a seed, and the features they see (`None`: all)."""


def score_baselines(
    learn: LabelledStamps,
    judge: LabelledStamps,
    *,
    seed: int = 1,
    learn_columns: Mapping[str, npt.ArrayLike] | None = None,
    judge_columns: Mapping[str, npt.ArrayLike] | None = None,
    names: Sequence[str] = tuple(BASELINES),
) -> dict[str, Floats]:
    """Train all baselines on the same sources as a network, and score those to judge by.

    Parameters
    ----------
    learn, judge
        Stamps to learn from and to judge by, with the same images; of other objects.
    seed
        Seed of the forest, and of the choice of the sources that the support vectors learn from where there
        are more than 6000.
    learn_columns, judge_columns
        Further features, the same names for both; see `measure_features`.
    names
        Which of `BASELINES`.

    Returns
    -------
    dict of str to numpy.ndarray
        Probability of being real for each of ``judge``, float64 of shape ``(n,)``, by baseline.

    Raises
    ------
    InvalidInputError
        Raised if a class is missing, or the features of the two sets differ.
    """
    seen, shown = measure_features(learn, learn_columns), measure_features(judge, judge_columns)
    if set(seen) != set(shown):
        raise InvalidInputError(
            f"the features to learn from and to judge by differ: {sorted(set(seen) ^ set(shown))}"
        )
    label = np.asarray(learn.label)
    if len(np.unique(label)) < 2:
        raise InvalidInputError("baselines need real and bogus sources to learn from")
    if unknown := sorted(set(names) - set(BASELINES)):
        raise InvalidInputError(f"no baseline is called {unknown}; there are {sorted(BASELINES)}")
    scores = {}
    for name in names:
        make, chosen = BASELINES[name]
        keys = list(seen) if chosen is None else list(chosen)
        rows = np.arange(len(label))
        if make is _support_vectors and len(rows) > _SUPPORT_ROWS:
            rows = generator(seed, "support-rows").permutation(len(rows))[:_SUPPORT_ROWS]
        model = make(seed).fit(np.stack([seen[key][rows] for key in keys], 1), label[rows])
        scores[name] = model.predict_proba(np.stack([shown[key] for key in keys], 1))[:, 1]
    return scores
