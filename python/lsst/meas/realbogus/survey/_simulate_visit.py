"""Simulating one detector of one visit, in memory."""

from __future__ import annotations

__all__ = ("SimulatedImage", "camera_of", "simulate_visit", "stated_wcs")

import dataclasses
from collections.abc import Callable

import astropy.table
import astropy.units as u
import astropy.wcs
import numpy as np
import numpy.typing as npt
from lsst.images import Box, VisitImage
from lsst.images.fields import ChebyshevField

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.randomness import generator

from ..tables import magnitude_to_njy
from . import _charge_artefacts as readout
from . import _core_artefacts as cores
from . import _detector_artefacts as charge
from . import _light_artefacts as light
from . import _soft_light as soft
from ._aberration import Aberration
from ._astrometry import detector_projection, make_wcs, shift_wcs
from ._bright_sources import BrightSources
from ._camera import CameraGeometry, make_detector
from ._clouds import draw_transparency
from ._config import SurveyConfig
from ._drawing import Canvas
from ._pixels import Pixels
from ._psf import PsfField, make_psf
from ._refraction import refract
from ._scene import Scene, make_scene
from ._schedule import Visit, make_schedule
from ._truth_rows import TruthRows
from ._visit_image import make_visit_image

_BRIGHT = 50.0
"""Signal-to-noise ratio from which a source shows what is wrong with the PSF model or the WCS."""
_NEAR_SATURATION = 50.0
"""Signal-to-noise ratio from which a star's core may be spoilt; brighter ones saturate on real detectors."""
_BLOCKED = 10.0
"""Signal-to-noise ratio of sources beside which blocks of pixels are lost."""


@dataclasses.dataclass(frozen=True)
class SimulatedImage:
    """An image and the truth about it.

    Parameters
    ----------
    image
        The calibrated image.
    truth
        What was drawn in it, one row a thing.
    """

    image: VisitImage
    truth: astropy.table.Table


def camera_of(config: SurveyConfig) -> CameraGeometry:
    """Return the camera of a survey."""
    return CameraGeometry.grid(
        config.instrument,
        config.detector_grid,
        config.detector_size,
        config.detector_gap,
        config.pixel_scale,
    )


def simulate_visit(config: SurveyConfig, visit: Visit, detector: int) -> SimulatedImage:
    """Simulate one detector of one visit.

    Parameters
    ----------
    config
        The survey.
    visit
        One of `make_schedule`'s visits.
    detector
        Detector of the survey's camera.

    Returns
    -------
    SimulatedImage
        The image with mask, variance, PSF and WCS as a pipeline would have them, and what was drawn.

    Notes
    -----
    All random numbers depend on the seed, their purpose, the visit and the detector only.

    Examples
    --------
    >>> from lsst.meas.realbogus.survey import PRESETS, make_schedule, simulate_visit
    >>> config = PRESETS["small"].replace(detector_size=(128, 128))
    >>> simulated = simulate_visit(config, make_schedule(config)[0], 0)
    >>> simulated.image.image.array.shape
    (128, 128)
    """
    camera = camera_of(config)
    if detector not in camera.boxes:
        raise InvalidInputError(f"the survey has detectors {camera.detectors}; got {detector}")
    axis, bbox = camera.axes[detector], camera.boxes[detector]
    truth = TruthRows(visit.id, detector)
    projection = detector_projection(
        _true_wcs(config, visit, camera, detector), config.instrument, visit.id, detector, bbox
    )
    templates = [other for other in make_schedule(config) if other.is_template and other.band == visit.band]
    scene = make_scene(config, visit, templates, projection, bbox)
    psf, aberration = PsfField.draw(config, visit, camera), Aberration.draw(config, visit, detector)
    scaling, gains = _photometry(config, visit, detector, bbox)
    pixels = _blank_pixels(config, visit, scaling, gains, bbox)
    fwhm = visit.seeing / config.pixel_scale
    if aberration:
        fwhm = aberration.widened(fwhm)
    sources = BrightSources.of(scene, pixels, visit.full_well, fwhm, bbox)
    if config.refraction:
        scene, displacement = refract(scene, config, visit, templates)
        sources.record(truth, "refraction", displacement[sources.row] / fwhm, 3 * fwhm)
    if config.brighter_fatter:
        sources.record(
            truth, "brighter_fatter", config.brighter_fatter * np.minimum(sources.filling, 1), 2 * fwhm
        )
    if aberration:
        sources.record(truth, "aberration", 0.1, 3 * fwhm)

    canvas = Canvas(pixels.shape, psf, axis, 0.02 * pixels.sky_noise, _fattening(config, visit, pixels))
    scene.draw(canvas, visit.exposure_time)
    rate = _factor(config, visit) * config.glint_trails * pixels.flux.size / 1024**2
    soft.add_glints(canvas, _rng(config, visit, detector)("glints"), rate, pixels.sky_noise, fwhm, truth)
    pixels.flux = aberration.blur(canvas.array) if aberration else canvas.array
    if spread := config.cloud_patches * visit.extinction:
        clouds = draw_transparency(pixels.shape, _rng(config, visit, detector)("clouds"), spread)
        pixels.flux *= clouds
        rows, columns = (np.round(values).astype(int) for values in (sources.y, sources.x))
        sources.record(truth, "clouds", clouds[rows - bbox.y.start, columns - bbox.x.start] - 1, 2 * fwhm)
    variance = _spoil(pixels, config, visit, detector, sources, truth)
    scene.record(truth, bbox, visit.exposure_time)
    model = _psf_model(config, visit, detector, psf, scene, pixels.sky_noise, bbox, truth)
    return SimulatedImage(
        make_visit_image(
            pixels.flux,
            variance,
            pixels.mask(bbox),
            projection=detector_projection(
                stated_wcs(config, visit, camera, detector), config.instrument, visit.id, detector, bbox
            ),
            psf=aberration.model(model, axis, bbox) if aberration else make_psf(model, axis, bbox),
            detector=make_detector(
                camera,
                detector,
                visit.id,
                gains=gains,
                read_noise=config.read_noise,
                saturation=visit.full_well / max(gains),
            ),
            scaling=scaling,
            visit=visit.id,
            band=visit.band,
            physical_filter=visit.physical_filter,
            begin=visit.begin,
            exposure_time=visit.exposure_time,
            sky=float(pixels.sky.mean() / np.mean(gains)),
            metadata={"survey_seed": config.seed, "seeing_arcsec": visit.seeing, "airmass": visit.airmass},
        ),
        truth.table(projection),
    )


def _true_wcs(config: SurveyConfig, visit: Visit, camera: CameraGeometry, detector: int) -> astropy.wcs.WCS:
    return make_wcs(
        visit.ra,
        visit.dec,
        pixel_scale=config.pixel_scale,
        axis=camera.axes[detector],
        rotation=visit.rotation,
        distortion=config.distortion / camera.radius**3,
    )


def stated_wcs(config: SurveyConfig, visit: Visit, camera: CameraGeometry, detector: int) -> astropy.wcs.WCS:
    """Return the WCS that a visit's image states, which is off by the visit's astrometric error."""
    dx, dy = (offset / config.pixel_scale for offset in visit.wcs_offset)
    return shift_wcs(_true_wcs(config, visit, camera, detector), dx, dy)


def _factor(config: SurveyConfig, visit: Visit) -> float:
    """Return by how much rates of artefacts are multiplied in a visit."""
    return config.template_artefact_factor if visit.is_template else 1.0


def _rng(config: SurveyConfig, visit: Visit, detector: int) -> Callable[[str], np.random.Generator]:
    """Return what makes the generator of a purpose."""
    return lambda purpose: generator(config.seed, f"survey-{purpose}", visit.id, detector)


def _fattening(config: SurveyConfig, visit: Visit, pixels: Pixels) -> tuple[float, float]:
    """Return how much wider the PSF of a full pixel is, and the flux of a full pixel."""
    return config.brighter_fatter, visit.full_well / float(pixels.electrons_per_flux.mean())


def _photometry(
    config: SurveyConfig, visit: Visit, detector: int, bbox: Box
) -> tuple[ChebyshevField, tuple[float, ...]]:
    """Return nJy per ADU over a detector, and the gains of its amplifiers."""
    gains = generator(config.seed, "survey-gains", detector).uniform(*config.gain, 2)
    slopes = generator(config.seed, "survey-scaling", visit.id, detector).uniform(-1, 1, 3)
    scale = float(magnitude_to_njy(visit.zero_point)) * gains.mean()
    coefficients = np.zeros((2, 2))
    coefficients[0, 0] = scale
    coefficients[0, 1], coefficients[1, 0], coefficients[1, 1] = scale * config.photometric_slope * slopes / 2
    return ChebyshevField(bbox, coefficients, unit=u.nJy / u.adu), tuple(gains.tolist())


def _blank_pixels(
    config: SurveyConfig, visit: Visit, scaling: ChebyshevField, gains: tuple[float, ...], bbox: Box
) -> Pixels:
    per_adu = np.asarray(scaling.render(bbox).array, float)
    gain = np.empty(per_adu.shape)
    edges = np.linspace(0, gain.shape[1], len(gains) + 1).astype(int)
    for start, stop, value in zip(edges[:-1], edges[1:], gains, strict=True):
        gain[:, start:stop] = value
    electrons_per_flux = gain / per_adu
    sky_flux = float(magnitude_to_njy(visit.sky_brightness)) * config.pixel_scale**2
    sky = sky_flux * electrons_per_flux
    noise = np.sqrt(sky.mean() + config.read_noise**2) / electrons_per_flux.mean()
    return Pixels(np.zeros(gain.shape), electrons_per_flux, sky, float(noise), config.read_noise)


def _spoil(
    pixels: Pixels,
    config: SurveyConfig,
    visit: Visit,
    detector: int,
    sources: BrightSources,
    truth: TruthRows,
) -> npt.NDArray[np.float64]:
    """Add noise and every artefact that is in the pixels; return the variance."""
    factor, rng = _factor(config, visit), _rng(config, visit, detector)
    area, fwhm = pixels.flux.size / 1024**2, sources.fwhm

    def rate(per_megapixel: float) -> float:
        return factor * per_megapixel * area

    if (chance := rng("vignetting")).random() < factor * config.vignetted_corners:
        light.vignette_corner(pixels, chance, truth)
    light.add_background(pixels, rng("background"), config)
    light.add_satellites(pixels, rng("satellites"), factor * config.satellites * area**0.5, fwhm, truth)
    light.add_ghosts(pixels, rng("ghosts"), rate(config.ghosts), truth)
    if (chance := rng("glow")).random() < factor * config.edge_glows:
        light.add_edge_glow(pixels, chance, truth)
    soft.add_soft_blobs(pixels, rng("soft-blobs"), rate(config.soft_blobs), fwhm, truth)
    soft.add_ghost_disks(pixels, rng("ghost-disks"), rate(config.ghost_disks), fwhm, truth)
    readout.add_persistence(pixels, rng("persistence"), rate(config.persistence), fwhm, truth)
    variance = charge.add_noise(pixels, rng("noise"))
    charge.saturate(pixels, visit.full_well, rng("saturation"), config.saturated_flagged_fraction, truth)
    if config.crosstalk:
        readout.add_crosstalk(pixels, rng("crosstalk"), rate(config.crosstalk), fwhm, visit.full_well, truth)
    charge.add_cosmic_rays(pixels, rng("cosmic-rays"), factor * config.cosmic_rays, config, truth)
    readout.add_hits(pixels, rng("hits"), rate(config.cosmic_ray_hits), fwhm, truth)
    readout.add_streaks(pixels, rng("streaks"), rate(config.streaks), fwhm, truth)
    charge.spoil_columns(pixels, detector, config, truth)
    hot = generator(config.seed, "survey-hot-pixels", detector)
    readout.add_hot_pixels(pixels, hot, config.hot_pixels * area, fwhm, truth)
    if (chance := rng("deferred-charge")).random() < factor * config.charge_trails:
        fraction, length = chance.uniform(*config.charge_trail_fraction), fwhm * chance.uniform(1, 4)
        dx, dy = readout.defer_charge(pixels, chance, fraction, length)
        sources.record(truth, "charge_trail", 0.5 * fraction, 3 * fwhm, (2 * length * dx, 2 * length * dy))
    if config.missing_blocks:
        near = sources.above(_BLOCKED)
        places = sources.x[near], sources.y[near]
        cores.drop_blocks(pixels, rng("blocks"), rate(config.missing_blocks), *places, fwhm, truth)
    chance = rng("cores")
    chosen = sources.above(_NEAR_SATURATION) & (chance.random(len(sources.x)) < factor * config.core_defects)
    cores.spoil_cores(pixels, chance, sources.x[chosen], sources.y[chosen], fwhm, truth)
    if (chance := rng("border")).random() < factor * config.no_data_borders:
        charge.drop_border(pixels, chance, truth)
    return variance


def _psf_model(
    config: SurveyConfig,
    visit: Visit,
    detector: int,
    psf: PsfField,
    scene: Scene,
    sky_noise: float,
    bbox: Box,
    truth: TruthRows,
) -> PsfField:
    """Return the PSF that the image states, and record bright sources where it or the WCS is wrong."""
    noise = sky_noise * np.sqrt(2.27) * visit.seeing / config.pixel_scale
    inside = bbox.contains(x=np.round(scene.x).astype(int), y=np.round(scene.y).astype(int))
    bright = inside & (scene.flux > _BRIGHT * noise)
    width = 3 * visit.seeing / config.pixel_scale
    if visit.is_jittered:
        truth.add_artefacts("astrometric_jitter", scene.x[bright], scene.y[bright], width=width)
    rng = generator(config.seed, "survey-psf-change", visit.id, detector)
    if rng.random() >= _factor(config, visit) * config.psf_changes:
        return psf
    truth.add_artefacts("psf_change", scene.x[bright], scene.y[bright], width=width)
    error = rng.choice((-1, 1)) * rng.uniform(*config.psf_change_size)
    return psf.scaled(1 + error, (rng.normal(0, 0.01), rng.normal(0, 0.01)))
