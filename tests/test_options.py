"""Options are checked where they are made, and so behind every door alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import write_options_table
import yaml
from click.testing import CliRunner
from lsst.pipe.base import Pipeline

from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.injection import CatalogOptions, HostedOptions, HostOptions, SupernovaOptions
from lsst.meas.realbogus.options import Entry, Options, entries, from_settings, option
from lsst.meas.realbogus.tasks._options import config_class, to_options, with_options

CLASSES: list[type[Options]] = [
    c for classes in write_options_table.option_classes().values() for c in classes
]


def _bad_items(entry: Entry) -> Iterator[Any]:
    """Yield what an item of a field must not be."""
    limits = entry.limits
    if entry.kind is bool:
        yield "perhaps"
    elif entry.kind is str:
        if limits.choices:
            yield "gallsim"
    else:
        yield from (float("nan"), float("inf"), "many")
        step = 1 if entry.kind is int else 1e-6
        yield from (entry.kind(bound - step) for bound in (limits.min, limits.above) if bound is not None)
        yield from (entry.kind(bound + step) for bound in (limits.max, limits.below) if bound is not None)
        yield from (entry.kind(bound) for bound in (limits.above, limits.below) if bound is not None)


def _bad_values(entry: Entry) -> Iterator[Any]:
    """Yield what a field must not be."""
    if entry.length is None:
        yield from _bad_items(entry)
        return
    good = list(entry.default or ())
    for item in _bad_items(entry):
        yield [item, *good[1:]]
    if entry.length:
        yield [*good, good[0]]
    if entry.limits.fewest:
        yield []
    if entry.limits.ascending:
        yield [good[-1] + 1, *good[1:]]


def _as_text(value: Any) -> str:
    return ",".join(str(item) for item in value) if isinstance(value, list) else str(value)


def _python(options: type[Options], name: str, value: Any) -> None:
    options(**{name: value})


def _command_line(options: type[Options], name: str, value: Any) -> None:
    from_settings(options(), [f"{name}={_as_text(value)}"])


def _yaml_of_a_task(options: type[Options], name: str, value: Any) -> None:
    config_class(options)().update(**yaml.safe_load(yaml.safe_dump({name: value})))


def _yaml_file(options: type[Options], name: str, value: Any) -> None:
    options().replace(**yaml.safe_load(yaml.safe_dump({name: value})))


DOORS = (_python, _command_line, _yaml_of_a_task, _yaml_file)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("options", CLASSES, ids=lambda c: c.__name__)
def test_every_limit_of_every_option_holds_behind_every_door(
    options: type[Options], door: Callable[[type[Options], str, Any], None]
) -> None:
    for entry in (entry for entry in entries(options) if not entry.is_nested):
        for value in _bad_values(entry):
            with pytest.raises(ValueError) as caught:
                door(options, entry.name, value)
            said = f"{options.__name__}.{entry.name} must be {entry.allowed}; got "
            assert said in str(caught.value), (value, str(caught.value))


@pytest.mark.parametrize("options", CLASSES, ids=lambda c: c.__name__)
def test_defaults_are_allowed_and_come_back_through_a_configuration(options: type[Options]) -> None:
    default, config = options(), config_class(options)()
    config.validate()
    assert to_options(config, options) == default
    for entry in entries(options):
        assert entry.doc.endswith((".", "?")) and entry.limits.doc
        if not entry.is_nested and entry.default is not None:
            value = getattr(default, entry.name)
            assert value == entry.default and type(value) is type(entry.default)
            assert entry.parse(_as_text(list(value) if isinstance(value, tuple) else value)) == value


@pytest.mark.parametrize("options", [c for c in CLASSES if c.ordered], ids=lambda c: c.__name__)
def test_rules_between_fields_hold_behind_every_door(options: type[Options]) -> None:
    limits = {entry.name: entry.limits for entry in entries(options)}
    for low, high in options.ordered:
        top = getattr(options(), high)
        bound = limits[low].max
        values = {
            low: top,
            high: type(top)(np.nextafter(top, -np.inf)) if isinstance(top, float) else top - 1,
        }
        assert bound is None or top <= bound
        with pytest.raises(InvalidInputError, match=f"{options.__name__}.{low} must not be above {high}"):
            options(**values)
        with pytest.raises(InvalidInputError, match=f"{options.__name__}.{low} must not be above {high}"):
            from_settings(options(), [f"{name}={value!r}" for name, value in values.items()])
        config = config_class(options)()
        config.update(**values)
        with pytest.raises(InvalidInputError, match=f"{options.__name__}.{low} must not be above {high}"):
            config.validate()


def test_the_table_of_options_is_that_of_the_classes() -> None:
    assert write_options_table.PAGE.read_text() == write_options_table.page(), (
        "run python tools/write_options_table.py"
    )


def test_the_same_name_never_means_two_classes() -> None:
    names = [options.__name__ for options in CLASSES]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("hosted.fraction", "5", "HostedOptions.fraction must be a number from 0 to 1; got 5"),
        ("hosted.fraction", ".nan", "HostedOptions.fraction must be a number from 0 to 1; got nan"),
        ("supernova.model", "snkosmo", "SupernovaOptions.model must be one of 'parametric', 'sncosmo'; got"),
    ],
)
def test_python_command_line_and_yaml_refuse_with_one_message(
    setting: str, value: str, said: str, tmp_path: Path
) -> None:
    group, name = setting.split(".")
    with pytest.raises(InvalidInputError, match=said):
        CatalogOptions().replace(**{group: {name: yaml.safe_load(value)}})
    pipeline = Pipeline.fromString(
        "description: one task\n"
        "tasks:\n"
        "  createFakeSupernovae:\n"
        "    class: lsst.meas.realbogus.tasks.create_fake_supernovae.CreateFakeSupernovaeTask\n"
        f"    config:\n      options.{setting}: {value}\n"
    )
    with pytest.raises(ValueError, match=said):
        pipeline.to_graph()
    for place in ("image.fits", "sources.parquet"):
        (tmp_path / place).touch()
    told = CliRunner().invoke(
        main,
        ["fakes", "make", str(tmp_path / "image.fits"), str(tmp_path / "sources.parquet")]
        + ["-o", str(tmp_path / "out.csv"), "-c", f"{setting}={value.strip('.')}"],
    )
    assert told.exit_code != 0 and said in " ".join(f"{told.output} {told.exception}".split())


@pytest.mark.parametrize(
    ("label", "setting", "value", "said"),
    [
        (
            "create_fake_supernovae.CreateFakeSupernovae",
            "options.hosted.fraction",
            "nan",
            "from 0 to 1; got 'nan'",
        ),
        (
            "inject_supernovae.InjectSupernovae",
            "options.renderer",
            "gallsim",
            "'psf', 'galsim'; got 'gallsim'",
        ),
        ("subtract_images.SubtractImages", "scale_order", "1.5", "from -1 to 5; got 1.5"),
        ("match_dia_sources.MatchDiaSources", "radius", "9", "must not be above max_radius, 1.0; got 9.0"),
    ],
)
def test_settings_of_pipetask_are_refused_too(label: str, setting: str, value: str, said: str) -> None:
    pipeline = Pipeline.fromString(
        f"description: one task\ntasks:\n  it: lsst.meas.realbogus.tasks.{label}Task\n"
    )
    pipeline.addConfigOverride("it", setting, value)
    with pytest.raises(ValueError) as caught:
        pipeline.to_graph()
    assert said in f"{caught.value} {caught.value.__cause__}"


def test_values_are_kept_as_plain_python() -> None:
    options = HostedOptions(fraction=np.float32(0.5), sersic_index=1)
    assert type(options.fraction) is float and type(options.sersic_index) is float
    flags = HostOptions(bad_flags=["a", np.str_("b")]).bad_flags
    assert flags == ("a", "b") and type(flags) is tuple
    for wrong in (True, "0.5", None, [0.5]):
        with pytest.raises(InvalidInputError, match="HostedOptions.fraction must be a number from 0 to 1"):
            HostedOptions(fraction=wrong)
    assert HostOptions(bad_flags="a").bad_flags == ("a",) and _Everything(pair=1).pair == (1.0, 1.0)
    with pytest.raises(InvalidInputError, match="HostOptions.bad_flags must be a list of texts; got"):
        HostOptions(bad_flags=3)
    with pytest.raises(InvalidInputError, match=r"CatalogOptions.host must be HostOptions; got \{"):
        CatalogOptions(host={"mag_min": 15.0})


def test_settings_are_all_applied_before_rules_are_checked() -> None:
    options = from_settings(CatalogOptions(), ["hosted.mag_min=28", "hosted.mag_max=30"])
    assert (options.hosted.mag_min, options.hosted.mag_max) == (28.0, 30.0)
    with pytest.raises(InvalidInputError, match="HostedOptions.mag_min must not be above mag_max, 27.0"):
        from_settings(CatalogOptions(), ["hosted.mag_min=28"])
    with pytest.raises(InvalidInputError, match="SupernovaOptions.share_ii must be at most 1 less share_ia"):
        SupernovaOptions(share_ia=0.9)


@dataclasses.dataclass(frozen=True)
class _Everything(Options):
    """Fields of every kind."""

    switch: bool = option(True, "A switch.")
    count: int | None = option(None, "A count.", min=1)
    pair: tuple[float, float] = option((0.0, 1.0), "A range.", above=-1.0, ascending=True)
    planes: tuple[str, ...] = option(("a",), "Names.", fewest=1)


def test_settings_of_every_kind() -> None:
    new = from_settings(_Everything(), ["switch=no", "count=3", "pair=2,3", "planes=x,y"])
    assert new == _Everything(switch=False, count=3, pair=(2.0, 3.0), planes=("x", "y"))
    assert from_settings(new, ["count=none"]).count is None
    config = config_class(_Everything)()
    config.update(count=3, pair=[2, 3], planes=["x", "y"], switch=False)
    assert to_options(config, _Everything) == new
    for setting, allowed in (
        ("switch=maybe", "true or false"),
        ("count=0", "a whole number of at least 1 or none"),
        ("count=1.0", "a whole number of at least 1 or none"),
        ("pair=3,2", "2 numbers above -1, lowest first"),
        ("pair=1,2,3", "2 numbers above -1, lowest first"),
        ("planes=", "a list of at least 1 texts"),
    ):
        with pytest.raises(InvalidInputError, match=f"must be {allowed}; got "):
            from_settings(_Everything(), [setting])


def test_options_of_two_classes_do_not_share_a_field() -> None:
    with pytest.raises(TypeError, match="has a field switch already"):
        with_options(_Everything)(config_class(_Everything))
