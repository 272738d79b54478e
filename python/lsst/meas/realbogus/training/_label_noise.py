"""Wrong labels on purpose, for studies of training that has to do with them."""

from __future__ import annotations

__all__ = ("corrupt_labels",)

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError
from ..randomness import generator


def corrupt_labels(
    label: npt.NDArray[np.int8], *, hidden_reals: float = 0.0, flipped: float = 0.0, seed: int
) -> npt.NDArray[np.int8]:
    """Return labels of which some are wrong.

    Parameters
    ----------
    label
        1 real, 0 bogus, shape ``(n,)``.
    hidden_reals
        Fraction of the stamps labelled bogus afterwards that are really real: the noise of a training set
        whose bogus class is everything that was not injected.
    flipped
        Fraction of each class whose labels are exchanged (after that).
    seed
        Seed.

    Returns
    -------
    numpy.ndarray
        Int8, shape ``(n,)``.

    Raises
    ------
    InvalidInputError
        Raised if a fraction is not in [0, 1), or if there are fewer reals than are to be hidden.

    Examples
    --------
    >>> wrong = corrupt_labels(np.repeat([1, 0], 500).astype(np.int8), hidden_reals=0.2, seed=1)
    >>> int(wrong[:500].sum()), int(wrong[500:].sum())
    (375, 0)
    """
    if not (0 <= hidden_reals < 1 and 0 <= flipped < 1):
        raise InvalidInputError(f"fractions of labels lie in [0, 1); got {hidden_reals:g} and {flipped:g}")
    wrong = np.array(label, np.int8)
    rng = generator(seed, "label-noise")
    real = np.flatnonzero(wrong == 1)
    n_hidden = round(hidden_reals / (1 - hidden_reals) * int((wrong == 0).sum()))
    if n_hidden > real.size:
        raise InvalidInputError(
            f"a bogus class with {hidden_reals:g} hidden reals takes {n_hidden} reals; there are {real.size}"
        )
    wrong[rng.permutation(real)[:n_hidden]] = 0
    classes = [np.flatnonzero(wrong == value) for value in (0, 1)]
    for rows in classes:
        exchanged = rng.permutation(rows)[: round(flipped * rows.size)]
        wrong[exchanged] = 1 - wrong[exchanged]
    return wrong
