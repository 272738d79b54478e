"""Sources of one difference image as ours and ip_diffim find them, from stored results or any tables."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Table
from lsst.images import GeneralFrame, MaskedImage

from lsst.meas.realbogus.diffim import subtract
from lsst.meas.realbogus.imaging import KernelField
from lsst.meas.realbogus.measurement import detect_and_measure
from lsst.meas.realbogus.tables import NO_ID, magnitude_to_njy, read_table_file
from lsst.meas.realbogus.truth import label_dia_sources

VISITS = {"42": "", "43": "_43"}
MATCH_PIXELS = 2.0
LEAST_SNR = 7.0


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Our sources and those of ip_diffim on one visit.

    Parameters
    ----------
    theirs
        Sources of ip_diffim that are not sky sources: x, y, flux, error, and ours (row in ``ours`` or -1).
    ours
        Our table.
    truth
        Injected stars: x, y, flux, comment, theirs and ours (rows or -1).
    summary
        Numbers of the subtraction.
    """

    theirs: Table
    ours: Table
    truth: Table
    summary: dict[str, float | int | str]

    @classmethod
    def of(cls, theirs: Table, ours: Table, truth: Table, summary: dict[str, float | int | str]) -> Verdict:
        """Match the tables with each other; their new columns are added in place."""
        theirs["ours"] = nearest(theirs["x"], theirs["y"], ours["x"], ours["y"])
        for name, table in (("theirs", theirs), ("ours", ours)):
            truth[name] = nearest(truth["x"], truth["y"], table["x"], table["y"])
        return cls(theirs, ours, truth, summary)


def judge(stack: Path, visit: str) -> Verdict:
    """Subtract and measure one visit of the reference data, and match with ip_diffim and the truth."""
    suffix, frame = VISITS[visit], GeneralFrame(unit=u.pix)
    science, template = (
        MaskedImage.read_legacy(str(stack / name), fits_wcs_frame=frame)
        for name in (f"injection/injected_default{suffix}.fits", f"images/template{suffix}.fits")
    )
    stamps = np.load(stack / f"images/psf_stamps{suffix}.npz")
    psf, template_psf = (
        KernelField.fit(stamps[name], stamps["x"], stamps["y"], science.bbox, 2)
        for name in ("kernel", "template_kernel")
    )
    result = subtract(science, template, psf, template_psf)
    catalog = detect_and_measure(
        result.difference,
        science,
        result.template,
        difference_psf=result.psf,
        science_psf=psf,
        template_psf=result.template_psf,
    )
    raw = Table.read(stack / f"diffim/dia_source_unstandardized{suffix}.parquet")
    theirs = Table(
        {
            "x": raw["slot_Centroid_x"],
            "y": raw["slot_Centroid_y"],
            "flux": raw["slot_PsfFlux_instFlux"],
            "error": raw["slot_PsfFlux_instFluxErr"],
        }
    )
    if "sky_source" in raw.colnames:
        theirs = theirs[~np.asarray(raw["sky_source"], dtype=bool)]
    at_sources = np.load(stack / f"injection/psf_at_sources{suffix}.npz")
    injected = Table.read(stack / f"injection/injected_default_catalog{suffix}.parquet")
    flux = magnitude_to_njy(injected["mag"])
    truth = Table({"x": at_sources["x"], "y": at_sources["y"], "flux": flux, "comment": injected["comment"]})
    return Verdict.of(theirs, catalog.sources, truth, result.summary)


def nearest(x: Any, y: Any, other_x: Any, other_y: Any) -> np.ndarray:
    """Return the nearest row of another table within the match radius, else -1."""
    distance = np.hypot(np.subtract.outer(x, other_x), np.subtract.outer(y, other_y))
    if distance.shape[1] == 0:
        return np.full(len(x), -1)
    return np.where(distance.min(axis=1) < MATCH_PIXELS, distance.argmin(axis=1), -1)


def agreement(verdict: Verdict) -> dict[str, float]:
    """Say how well our sources agree with those of ip_diffim above the least signal-to-noise ratio."""
    theirs = verdict.theirs[np.abs(verdict.theirs["flux"] / verdict.theirs["error"]) >= LEAST_SNR]
    both = theirs[theirs["ours"] >= 0]
    flux = np.asarray(verdict.ours["psfFlux"][both["ours"]], dtype=float)
    pull = (flux - both["flux"]) / both["error"]
    return {
        "theirs": float(len(theirs)),
        "found": float(len(both)),
        "flux_ratio": float(np.median(flux / both["flux"])),
        "scatter_in_errors": float(np.std(pull)),
    }


def same_matches(stack: Path, suffix: str) -> dict[str, float]:
    """Say how many injected stars MatchInjectedToDiaSourceTask matched, and which of them we do."""
    table = read_table_file(stack / "match" / f"matched_trim0{suffix}.ecsv")
    sources = read_table_file(stack / "diffim" / f"dia_sources{suffix}.parquet")
    injected = read_table_file(stack / "injection" / f"injected_default_catalog{suffix}.parquet")
    ours = label_dia_sources(sources, injected).table
    of = dict(zip(ours["diaSourceId"].tolist(), ours["injection_id"].tolist(), strict=True))
    theirs = table[np.asarray(table["diaSourceId"]) != 0]
    same = [of[int(row["diaSourceId"])] == row["injection_id"] for row in theirs]
    matched = int(np.sum(np.asarray(ours["injection_id"]) != NO_ID))
    return {"matched": float(len(theirs)), "matched_alike": float(sum(same)), "matched_ours": float(matched)}


def against_truth(table: Table, flux: str, error: str, truth: Table, noise: float) -> dict[str, float]:
    """Say how well a table agrees with what was injected.

    Parameters
    ----------
    table
        Sources: x, y and the named columns, a flux and its error.
    flux, error
        Their names.
    truth
        What was injected: x, y, flux; nothing else is new in the image.
    noise
        Error of the flux of a faint source.

    Returns
    -------
    dict
        Number of injected stars of at least 10 times the noise, the fraction of them that was found, the
        median of their measured over their true fluxes, and the number of sources above the least
        signal-to-noise ratio that were not injected.
    """
    row = nearest(truth["x"], truth["y"], table["x"], table["y"])
    bright = np.asarray(truth["flux"]) >= 10 * noise
    found = bright & (row >= 0)
    ratio = np.asarray(table[flux], dtype=float)[row[found]] / np.asarray(truth["flux"])[found]
    significant = table[np.abs(np.asarray(table[flux]) / np.asarray(table[error])) >= LEAST_SNR]
    alone = nearest(significant["x"], significant["y"], truth["x"], truth["y"]) < 0
    return {
        "injected": float(bright.sum()),
        "found_fraction": float(found.sum() / max(bright.sum(), 1)),
        "flux_over_true": float(np.median(ratio)) if found.any() else float("nan"),
        "false": float(alone.sum()),
    }


def report(stack: Path) -> str:
    """Write the comparison as Markdown."""
    lines = []
    for visit in VISITS:
        verdict = judge(stack, visit)
        numbers = agreement(verdict)
        lines += [
            f"### Visit {visit}",
            "",
            f"Of the {numbers['theirs']:.0f} sources of ip_diffim with SNR {LEAST_SNR:g} or more ours finds "
            f"{numbers['found']:.0f}; median ratio of fluxes {numbers['flux_ratio']:.3f}, scatter "
            f"{numbers['scatter_in_errors']:.2f} of its errors.",
            "",
            "| injected stars | number | both find | only ip_diffim | only ours | neither "
            "| flux/true ip_diffim | flux/true ours |",
            "|---|---|---|---|---|---|---|---|",
        ]
        truth = verdict.truth
        ours, theirs = np.asarray(truth["ours"]) >= 0, np.asarray(truth["theirs"]) >= 0
        for comment in dict.fromkeys(truth["comment"]):
            of = np.asarray(truth["comment"]) == comment
            counts = [of & ours & theirs, of & theirs & ~ours, of & ours & ~theirs, of & ~ours & ~theirs]
            row = [comment, str(of.sum()), *(str(c.sum()) for c in counts)]
            for name, table, column in (
                ("theirs", verdict.theirs, "flux"),
                ("ours", verdict.ours, "psfFlux"),
            ):
                which = truth[of & ours & theirs]
                ratio = np.asarray(table[column][which[name]], dtype=float) / which["flux"]
                row.append(f"{np.median(ratio):.3f}" if len(ratio) else "")
            lines.append("| " + " | ".join(row) + " |")
        lines.append("")
    return "\n".join(lines)
