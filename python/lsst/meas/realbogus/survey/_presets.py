"""Ready-made surveys by name."""

from __future__ import annotations

__all__ = ("PRESETS", "TRAINING_PREFIX", "find_preset")

from collections.abc import Mapping
from types import MappingProxyType

from lsst.meas.realbogus.errors import InvalidInputError

from ._config import SurveyConfig
from ._regimes import CAMERAS
from ._training_surveys import training_survey

TRAINING_PREFIX = "training-"
"""What names of training surveys begin with; their number follows."""

PRESETS: Mapping[str, SurveyConfig] = MappingProxyType(
    {
        "demo": SurveyConfig(variable_fraction=0.2, agn_fraction=0.1),
        "small": SurveyConfig(
            detector_grid=(1, 1),
            detector_size=(512, 512),
            n_template_visits=2,
            n_search_visits=2,
            dither=3.0,
            distortion=1.0,
        ),
        # The shape of the HSC RC2 subset of the Science Pipelines: six detectors, eight visits, two bands.
        "medium": SurveyConfig(
            detector_grid=(3, 2),
            detector_size=(2048, 2048),
            n_template_visits=2,
            n_search_visits=2,
            bands=("r", "i"),
            distortion=8.0,
        ),
        **CAMERAS,
    }
)
"""Ready-made surveys by name; those for training are numbered, see `find_preset`."""


def find_preset(name: str) -> SurveyConfig:
    """Return a ready-made survey.

    Parameters
    ----------
    name
        One of `PRESETS`, or ``training-N`` for the training survey of number N.

    Returns
    -------
    SurveyConfig
        Its numbers.

    Raises
    ------
    InvalidInputError
        If there is no such survey.

    Examples
    --------
    >>> from lsst.meas.realbogus.survey import find_preset
    >>> find_preset("ztf").pixel_scale
    1.01
    >>> find_preset("training-3").n_search_visits
    7
    """
    if name in PRESETS:
        return PRESETS[name]
    number = name.removeprefix(TRAINING_PREFIX)
    if number != name and number.isascii() and number.isdigit():
        return training_survey(int(number))
    raise InvalidInputError(
        f"no preset is called {name!r}; there are {', '.join(PRESETS)}, and {TRAINING_PREFIX}N, a number N"
    )
