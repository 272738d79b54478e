"""From stamps to a table that says, source by source, what decided the score."""

from __future__ import annotations

__all__ = ("EXPLANATION", "KNOWN", "Explanation", "check_roles", "explain_stamps", "prepare_batch")

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from astropy.table import Table, vstack

from ..cutouts import StampBatch
from ..errors import InvalidInputError
from ..model import Contract, Prepared, prepare
from ..tables import NO_ID, Column, Schema, make_table
from ..truth import Label
from ._embedding import embed
from ._explainer import Explainer
from ._options import ExplanationOptions
from ._segments import IMAGES, classify_outcomes, image_shares

EXPLANATION: Schema = {
    "diaSourceId": Column("int64", "Identifier of the DIA source."),
    "visit": Column("int64", "Visit, -1 where it is not known.", none=NO_ID),
    "detector": Column("int64", "Detector, -1 where it is not known.", none=NO_ID),
    "label": Column("int8", "1 real, 0 bogus, -1 undecided or not known.", none=Label.UNDECIDED),
    "kind": Column("str", "What made it, where that is known."),
    "snr": Column("float32", "Signal to noise in the difference, NaN where it is not known."),
    "score": Column("float32", "Probability that the source is real, NaN if flag_unscorable."),
    "log_odds": Column("float32", "Log-odds of being real before calibration and prior: what is explained."),
    "outcome": Column("str", "TP, FN, FP, TN, undecided or unscored."),
    "segment": Column("str", "Image with the largest share, empty for none."),
    **{
        f"importance_{image}": Column(
            "float32", f"Share of the {image} in the saliency of the images, or NaN."
        )
        for image in IMAGES
    },
    "importance_psf": Column("float32", "Saliency of the PSF shown, over that of the images, NaN for none."),
    "importance_missing": Column("float32", "The same of the missing pixels that are shown."),
    "embedding_x": Column("float32", "Place in the map of the last hidden layer, NaN for none."),
    "embedding_y": Column("float32", "Place in the map of the last hidden layer, NaN for none."),
    "flag_unscorable": Column("bool", "There is no score: a stamp is degenerate or misses too many pixels."),
}
"""Columns of explanations; one row a source, in order, scored or not."""

KNOWN = ("visit", "detector", "label", "kind", "snr")
"""Columns that say what is known of a source beforehand."""


@dataclass(frozen=True)
class Explanation:
    """What decided the scores of a set of sources.

    Parameters
    ----------
    table
        One row a source, of the schema `EXPLANATION`. Its ``meta`` say the model, the threshold and how the
        map was made.
    hidden
        Last hidden layer, float32 ``(n, k)``, NaN where there is no score.
    """

    table: Table
    hidden: npt.NDArray[np.float32]


def explain_stamps(
    explainer: Explainer, batches: Iterable[StampBatch], options: ExplanationOptions | None = None
) -> Explanation:
    """Explain the scores of stamps, a batch at a time.

    Parameters
    ----------
    explainer
        The model.
    batches
        Stamps of consecutive sources. Of their ``columns`` those named as in `EXPLANATION` are kept: what is
        known of each source.
    options
        What is worked out.

    Returns
    -------
    Explanation
        Every source once and in order. One that cannot be scored has NaN and a flag.

    Raises
    ------
    InvalidInputError
        Raised if there is no source, or an image that the model needs is absent.
    """
    options = options or ExplanationOptions()
    tables, hidden = [], []
    for batch in batches:
        for start in range(0, len(batch), options.batch_size):
            part = batch[start : start + options.batch_size]
            table, layer = _explain(explainer, part)
            tables.append(table)
            hidden.append(layer)
    if not tables:
        raise InvalidInputError("there are no stamps to explain")
    table = vstack(tables, metadata_conflicts="silent")
    layers = np.concatenate(hidden)
    place = embed(layers, options.embedding)
    table["embedding_x"], table["embedding_y"] = place.points.T
    table["outcome"] = classify_outcomes(table["score"], table["label"], options.threshold)
    contract = explainer.contract
    table.meta = {
        "model": " and ".join(f"{m.contract.name}-{m.contract.version}" for m in explainer.models),
        "model_sha256": " ".join(model.content_hash for model in explainer.models),
        "inputs": " ".join(contract.inputs),
        "threshold": options.threshold,
        "embedding": place.method,
    }
    return Explanation(table, layers)


def check_roles(contract: Contract, roles: Iterable[str]) -> None:
    """Refuse stamps of which a model lacks an image.

    Parameters
    ----------
    contract
        The model's.
    roles
        The images that there are.

    Raises
    ------
    InvalidInputError
        Raised if one is absent.
    """
    there = list(roles)
    if absent := [name for name in contract.inputs if name not in there]:
        raise InvalidInputError(
            f"model {contract.name!r} needs the stamps {list(contract.inputs)}; {absent} are absent"
        )


def prepare_batch(contract: Contract, batch: StampBatch) -> Prepared:
    """Make the inputs of the network: what all attributions are of.

    Parameters
    ----------
    contract
        The model's.
    batch
        Stamps.

    Returns
    -------
    Prepared
        Inputs and what is wrong with them.
    """
    check_roles(contract, batch.stamps)
    return prepare(
        contract,
        batch.stamps,
        batch.missing,
        batch.is_negative,
        outside=batch.outside,
        psf_fwhm=None if contract.psf is None else batch.psf_fwhm,
    )


def _explain(explainer: Explainer, batch: StampBatch) -> tuple[Table, npt.NDArray[np.float32]]:
    contract = explainer.contract
    prepared = prepare_batch(contract, batch)
    answers = explainer.answer(prepared.inputs)
    bad = prepared.flag_unscorable | ~np.isfinite(answers.score)
    shares = image_shares(contract, answers.saliency_sums)
    values = {"score": answers.score, "log_odds": answers.log_odds}
    values |= {f"importance_{name}": share for name, share in shares.items()}
    values = {name: np.where(bad, np.float32(np.nan), value) for name, value in values.items()}
    order = np.nan_to_num(np.stack([values[f"importance_{name}"] for name in IMAGES]), nan=-1.0)
    winner = np.where(order.max(axis=0) >= 0, np.array(IMAGES)[order.argmax(axis=0)], "")
    table = make_table(
        EXPLANATION,
        {
            "diaSourceId": batch.ids,
            "segment": winner,
            "flag_unscorable": bad,
            **{name: batch.columns[name] for name in KNOWN if name in batch.columns},
            **values,
        },
        len(batch),
    )
    return table, np.where(bad[:, None], np.float32(np.nan), answers.hidden)
