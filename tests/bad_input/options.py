"""Options out of range, by Python and by the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from click.testing import CliRunner

from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.cutouts import plane_bits
from lsst.meas.realbogus.diffim import SubtractionOptions
from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.injection import CatalogOptions, HostedOptions, InjectionOptions
from lsst.meas.realbogus.measurement import DetectionOptions
from lsst.meas.realbogus.model import load_classifier
from lsst.meas.realbogus.options import from_settings
from lsst.meas.realbogus.tables import sky_cell
from lsst.meas.realbogus.training import TrainingConfig
from lsst.meas.realbogus.truth import MatchRules

from ._case import Act, Cases


def setting(text: str) -> Act:
    """Make the act of setting an option of `fakes make`, as the command line does."""
    return lambda folder: from_settings(CatalogOptions(), [text])


def command(*words: str) -> Act:
    """Make the act of giving a command; return its exit code, and whether it ends in one line of an error."""

    def act(folder: Path) -> Any:
        result = CliRunner().invoke(main, [word.replace("FOLDER", str(folder)) for word in words])
        said = result.output.strip().splitlines()
        return result.exit_code, said[-1].startswith("Error: ") and "Traceback" not in result.output

    return act


_cases = Cases()
_refused: list[tuple[str, Act, str]] = [
    ("a fraction of 5", lambda folder: HostedOptions(fraction=5), "fraction"),
    ("a fraction of NaN", lambda folder: HostedOptions(fraction=float("nan")), "fraction"),
    ("a magnitude range that runs backwards", lambda folder: HostedOptions(mag_min=25.0, mag_max=20.0), "mag_min"),
    ("`hosted.fraction=5`", setting("hosted.fraction=5"), "HostedOptions.fraction must be a number from 0 to 1"),
    ("`hosted.fraction=inf`", setting("hosted.fraction=inf"), "HostedOptions.fraction must be a number from 0 to 1"),
    ("`hosted.fraction=many`", setting("hosted.fraction=many"), "HostedOptions.fraction must be a number from 0 to 1"),
    ("`hosted.fraction`, no value", setting("hosted.fraction"), "settings are NAME=VALUE; got 'hosted.fraction'"),
    ("an option that there is not", setting("hosted.fration=0.1"), "fration"),
    ("an option that is code", setting("hosted.fraction=__import__('os').system('ls')"), "HostedOptions.fraction must be a number from 0 to 1"),
    ("a renderer that there is not", lambda folder: InjectionOptions(renderer="gallsim"), "renderer"),
    ("a detection threshold of −3", lambda folder: DetectionOptions(threshold=-3.0), "threshold"),
    ("a spatial order of −1", lambda folder: SubtractionOptions(psf_kernel_order=-1), "psf_kernel_order"),
    ("a search radius of 0", lambda folder: MatchRules(radius=0.0), "radius"),
    ("training for −1 epochs", lambda folder: TrainingConfig(epochs=-1), "epochs"),
    ("batches of 0 stamps", lambda folder: load_classifier("package:nodia", batch_size=0), "the batch size must lie between 1 and 256; got 0"),
    ("an engine that there is not", lambda folder: load_classifier("package:nodia", engine="evil"), "engine must be one of"),
    ("a device that there is not", lambda folder: load_classifier("package:nodia", device="tpu"), "device must be one of"),
    ("a mask plane that there is not", lambda folder: plane_bits(["NO_DATA", "EVIL"]), "unknown mask plane 'EVIL'"),
    ("cells of the sky of 0 arcsec", lambda folder: sky_cell([1.0], [1.0], 0.0), "sky cells must be between 0.5 and 3600 arcsec"),
]  # fmt: skip
for _given, _act, _says in _refused:
    _cases.refused(_given, _act, InvalidInputError, _says)

_commands = [
    ("a model that there is not", command("model", "verify", "package:evil"), 1),
    ("a table to make fakes of that is not there", command("fakes", "check", "FOLDER/no.csv"), 2),
    ("a command that there is not", command("evil"), 2),
]
for _given, _act, _code in _commands:
    _cases.taken(f"`realbogus`: {_given}", _act, f"one line, and exit code {_code}", (_code, True))

TABLE = _cases.table("Options", "Python, `-c` of commands and of `pipetask`")
