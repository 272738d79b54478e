"""Rows of which no fake is made are counted with their reasons; limits are told before the work."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from astropy.table import Table
from astropy.wcs import WCS
from lsst.images import Box, DetectorFrame, SkyProjection

from lsst.meas.realbogus.cli.fakes import _require_use
from lsst.meas.realbogus.errors import InvalidCatalogError, InvalidInputError
from lsst.meas.realbogus.injection import (
    CatalogOptions,
    Footprint,
    ImageId,
    _catalog,
    explain_losses,
    make_catalog,
)

BBOX = Box.factory[0:1000, 0:1000]


@pytest.fixture(scope="module")
def footprint() -> Footprint:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, 2.0], [500.0, 500.0]
    wcs.wcs.cdelt = [-0.2 / 3600, 0.2 / 3600]
    frame = DetectorFrame(instrument="ToyCam", visit=5, detector=1, bbox=BBOX)
    return Footprint(5, 1, "r", 60000.0, BBOX, SkyProjection.from_fits_wcs(wcs, frame, pixel_bounds=BBOX))


def sources(n: int = 10) -> Table:
    columns = {name: np.full(n, 4.0) for name in ("ixx", "iyy")}
    return Table(
        {
            "sourceId": np.arange(1, n + 1),
            "ra": np.full(n, 150.0),
            "dec": 2.0 + 1e-4 * np.arange(n),
            "x": np.full(n, 500.0),
            "y": np.full(n, 500.0),
            "extendedness": np.ones(n),
            CatalogOptions().host.flux_column: np.full(n, 3e4),
            "ixy": np.zeros(n),
            **columns,
        }
    )


def user(n: int = 4) -> Table:
    return Table({"ra": np.full(n, 150.0), "dec": np.full(n, 2.0), "mag": np.full(n, 21.0)})


def test_defect_16_rows_are_counted_by_reason(footprint: Footprint) -> None:
    table, mine = sources(), user()
    table["ra"][:3] = np.nan
    table["dec"][3:5] = -40.0
    table[CatalogOptions().host.flux_column][5] = -1.0
    table["extendedness"][6] = 0.0
    mine["mag"][0], mine["ra"][1] = np.nan, 10.0
    hosts, rows = explain_losses(table, footprint, user_table=mine, name="s.csv", user_name="u.csv")
    assert (hosts.n_rows, hosts.n_left_out, rows.n_rows, rows.n_left_out) == (10, 7, 4, 2)
    counts = ("3 without a position", "2 off the image", "1 without a pos", "1 of extendedness below")
    assert hosts.text.startswith("s.csv: 7 of 10 rows are no hosts: ")
    assert all(count in hosts.text for count in counts)
    assert rows.text == "u.csv: 2 of 4 rows are left out: 1 off the image, 1 without a magnitude"
    clean = explain_losses(sources(), footprint)
    assert [(lost.n_left_out, lost.text) for lost in clean] == [
        (0, "source table: 0 of 10 rows are no hosts")
    ]


@pytest.mark.parametrize("column", ["ra", "dec", "mag"])
def test_defect_16_a_user_table_without_positions_or_magnitudes_is_refused(
    footprint: Footprint, column: str
) -> None:
    mine = user()
    mine[column] = np.nan
    with pytest.raises(InvalidCatalogError, match="none of 4 rows has both a position and a magnitude"):
        make_catalog(sources(), footprint, seed=1, user_table=mine)
    mine[column][0] = user()[column][0]
    assert (make_catalog(sources(), footprint, seed=1, user_table=mine)["population"] == "user").sum() == 1


def test_defect_16_the_command_says_why_there_is_no_fake(footprint: Footprint) -> None:
    table, mine = sources(), user()
    table["ra"], mine["ra"] = np.nan, 10.0
    none, some = Table({"mag": []}), Table({"mag": [20.0]})
    losses = explain_losses(table, footprint, user_table=mine, name="s.csv", user_name="u.csv")
    with pytest.raises(
        InvalidInputError, match=r"no fake comes of it: s.csv: 10 of 10 .*10 without a position"
    ):
        _require_use(none, losses)
    with pytest.raises(InvalidInputError, match=r"no fake comes of it: u.csv: 4 of 4 .* 4 off the image"):
        _require_use(some, losses)
    _require_use(some, losses[:1])
    _require_use(none, explain_losses(sources(), footprint))


def test_defect_16_limits_of_ids_are_told_before_the_work(
    footprint: Footprint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_catalog, "select_hosts", lambda *_, **__: pytest.fail("the work must not begin"))
    with pytest.raises(InvalidInputError, match="do not fit"):
        make_catalog(sources(), dataclasses.replace(footprint, visit=10**18), seed=1)
    with pytest.raises(InvalidInputError, match="40 fakes on one image, .* leave room for 31"):
        make_catalog(sources(), footprint, seed=1, user_table=user(40), image_id=ImageId(1, 58))
