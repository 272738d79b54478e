"""One row a source: single sources, and pairs of detections that are dipoles."""

from __future__ import annotations

__all__ = ("SourceRows", "grow_footprints", "measure_rows")

import dataclasses

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from ._detection import Detections, pair_lobes
from ._dipole import DipoleFits, fit_dipoles
from ._measured_frame import MeasuredFrame, fit_sources, fluxes_apart, forced_fluxes
from ._point_fit import PointFits

type FloatArray = npt.NDArray[np.float64]
type BoolArray = npt.NDArray[np.bool_]
type Labels = npt.NDArray[np.int32]


@dataclasses.dataclass(frozen=True)
class SourceRows:
    """Sources with their positions.

    Parameters
    ----------
    x, y
        Positions, parent coordinates, shape ``(n,)``.
    covariance
        Covariance of x and y, shape ``(n, 2, 2)``.
    columns
        Other columns of the table of DIA sources.
    footprint
        Numbers of the sources plus one on the pixels they own.
    lobes
        Positions of the two lobes of fitted dipoles, shape ``(n, 2, 2)`` (x or y, lobe); NaN for others.
    """

    x: FloatArray
    y: FloatArray
    covariance: FloatArray
    columns: dict[str, npt.NDArray[np.generic]]
    footprint: Labels
    lobes: FloatArray

    def __len__(self) -> int:
        return len(self.x)

    def with_error(self, error: FloatArray) -> SourceRows:
        """Return the rows with an error of the flux added, and positions less certain by as much."""
        noise = np.asarray(self.columns["psfFluxErr"], dtype=np.float64)
        total = np.hypot(noise, np.where(np.isfinite(error), error, 0.0))
        factor = np.divide(total, noise, out=np.ones_like(noise), where=noise > 0) ** 2
        return dataclasses.replace(
            self,
            covariance=self.covariance * factor[:, np.newaxis, np.newaxis],
            columns={**self.columns, "psfFluxErr": total},
        )


def measure_rows(frame: MeasuredFrame, found: Detections, dipole_distance: float, grow: int) -> SourceRows:
    """Fit every detection as a point source and close pairs of opposite sign as dipoles.

    Parameters
    ----------
    frame
        Difference image.
    found
        Detections on it.
    dipole_distance
        Largest distance of lobes in pixels.
    grow
        By how many pixels footprints grow.

    Returns
    -------
    SourceRows
        The two detections of a dipole are one row; those of a pair that is none stay two.
    """
    row, column = found.row + frame.bbox.y.start, found.column + frame.bbox.x.start
    fits = fit_sources(frame, row, column)
    pairs = np.array(pair_lobes(found, dipole_distance), dtype=np.intp).reshape(-1, 2)
    dipoles = _fit_pairs(frame, found, fits, pairs, dipole_distance)
    accepted = dipoles.is_dipole
    alone = np.ones(len(found), dtype=bool)
    alone[pairs[accepted].ravel()] = False
    singles = np.flatnonzero(alone)
    footprint = _relabel(found, singles, pairs[accepted])
    columns = _single_columns(found, fits, singles)
    flux, flux_error = fluxes_apart(frame, fits, row, column)
    of_pairs = _pair_columns(found, dipoles, pairs)
    source = _pair_of_rows(pairs, singles, accepted)
    joined = {name: np.concatenate([part, of_pairs[name][accepted]]) for name, part in columns.items()}
    tried = {name: _from_pairs(of_pairs[name], source) for name in of_pairs if name.startswith("dipole")}
    centre = dipoles.fits.x[accepted].mean(axis=1), dipoles.fits.y[accepted].mean(axis=1)
    of_dipoles = forced_fluxes(frame, *centre)
    joined["psfFlux"] = np.concatenate([flux[singles], of_dipoles[0]])
    joined["psfFluxErr"] = np.concatenate([flux_error[singles], of_dipoles[1]])
    return SourceRows(
        x=np.concatenate([fits.x[singles, 0], centre[0]]),
        y=np.concatenate([fits.y[singles, 0], centre[1]]),
        covariance=np.concatenate(
            [fits.covariance[singles][:, 1:3, 1:3], _centre_covariance(dipoles.fits.covariance[accepted])]
        ),
        columns={**joined, **tried, "dipoleFitAttempted": source >= 0},
        footprint=grow_footprints(footprint, grow),
        lobes=_from_pairs(np.stack([dipoles.fits.x, dipoles.fits.y], axis=1), source),
    )


def _fit_pairs(
    frame: MeasuredFrame,
    found: Detections,
    fits: PointFits,
    pairs: npt.NDArray[np.intp],
    distance: float,
) -> DipoleFits:
    x, y = fits.x[pairs, 0], fits.y[pairs, 0]
    middle_row = np.rint(y.mean(axis=1)).astype(np.intp)
    middle_column = np.rint(x.mean(axis=1)).astype(np.intp)
    stamps = frame.cut(middle_row, middle_column, frame.fit_radius + int(np.ceil(distance / 2)))
    return fit_dipoles(stamps, frame.psf, x, y, found.score[pairs])


def _centre_covariance(covariance: FloatArray) -> FloatArray:
    """Return the covariance of the mean position of two sources."""
    first, second = [1, 2], [4, 5]
    blocks = [covariance[:, np.array(a)[:, np.newaxis], b] for a in (first, second) for b in (first, second)]
    return np.asarray(0.25 * sum(blocks))


def _single_columns(
    found: Detections, fits: PointFits, which: npt.NDArray[np.intp]
) -> dict[str, npt.NDArray[np.generic]]:
    box = found.box[which]
    return {
        "snr": np.abs(found.score[which]),
        "isNegative": found.score[which] < 0,
        "psfChi2": fits.chi2[which],
        "psfNdata": fits.n_pixels[which],
        "bboxSize": np.maximum(box[:, 1] - box[:, 0], box[:, 3] - box[:, 2]),
        "isDipole": np.zeros(len(which), dtype=bool),
    }


def _pair_columns(
    found: Detections, dipoles: DipoleFits, pairs: npt.NDArray[np.intp]
) -> dict[str, npt.NDArray[np.generic]]:
    """Return the columns of every pair that was tried, shape ``(pairs,)``."""
    score = np.abs(found.score[pairs])
    low, high = found.box[pairs][:, :, [0, 2]].min(axis=1), found.box[pairs][:, :, [1, 3]].max(axis=1)
    return {
        "snr": score.max(axis=1, initial=0.0),
        "isNegative": dipoles.flux_difference < 0,
        "psfChi2": dipoles.fits.chi2,
        "psfNdata": dipoles.fits.n_pixels,
        "bboxSize": (high - low).max(axis=1, initial=0),
        "isDipole": dipoles.is_dipole,
        "dipoleMeanFlux": dipoles.mean_flux,
        "dipoleMeanFluxErr": dipoles.mean_flux_error,
        "dipoleFluxDiff": dipoles.flux_difference,
        "dipoleFluxDiffErr": dipoles.flux_difference_error,
        "dipoleChi2": dipoles.fits.chi2,
        "dipoleNdata": dipoles.fits.n_pixels,
    }


def _pair_of_rows(
    pairs: npt.NDArray[np.intp], singles: npt.NDArray[np.intp], accepted: BoolArray
) -> npt.NDArray[np.intp]:
    """Return for every row the pair that it belongs to or was tried with, -1 for none."""
    of_detection = np.full(int(max(pairs.max(initial=-1), singles.max(initial=-1))) + 1, -1, dtype=np.intp)
    of_detection[pairs] = np.arange(len(pairs))[:, np.newaxis]
    return np.concatenate([of_detection[singles], np.flatnonzero(accepted)])


def _from_pairs[T: np.generic](values: npt.NDArray[T], pair: npt.NDArray[np.intp]) -> npt.NDArray[T]:
    """Spread values of pairs over rows; rows without a pair get 0 for integers and NaN else."""
    whole = np.issubdtype(values.dtype, np.integer)
    out = np.full((len(pair), *values.shape[1:]), 0 if whole else np.nan, dtype=values.dtype)
    out[pair >= 0] = values[pair[pair >= 0]]
    return out


def _relabel(found: Detections, singles: npt.NDArray[np.intp], pairs: npt.NDArray[np.intp]) -> Labels:
    new = np.zeros(len(found) + 1, dtype=np.int32)
    new[singles + 1] = np.arange(1, len(singles) + 1)
    new[pairs + 1] = np.arange(len(singles) + 1, len(singles) + len(pairs) + 1)[:, np.newaxis]
    return new[found.footprint]


def grow_footprints(footprint: Labels, radius: int) -> Labels:
    """Grow footprints by some pixels, where no other is; at a tie the later number wins."""
    if radius <= 0 or not footprint.any():
        return footprint
    grown = scipy.ndimage.maximum_filter(footprint, size=2 * radius + 1)
    return np.where(footprint > 0, footprint, grown)
