"""Open a repository and look for datasets, and say in one line what is wrong with what was asked."""

from __future__ import annotations

__all__ = (
    "find_datasets",
    "find_handle",
    "find_table",
    "handles_by_image",
    "open_repository",
    "require_datasets",
)

import contextlib
import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from astropy.table import Table
from lsst.daf.butler import (
    Butler,
    DataCoordinate,
    DatasetNotFoundError,
    DatasetRef,
    DeferredDatasetHandle,
    InvalidQueryError,
    MissingCollectionError,
    MissingDatasetTypeError,
)

from ..errors import InvalidInputError
from ..legacy import get_table

_SHOWN = 12
_NAME = re.compile(r"[\w+:.@-]+(/[\w+:.@-]+)*")


@contextlib.contextmanager
def open_repository(
    repo: Butler | str | Path,
    collections: str | Sequence[str] = (),
    *,
    run: str | None = None,
) -> Iterator[Butler]:
    """Open a Butler repository.

    Parameters
    ----------
    repo
        Path, URI or alias of the repository; or a Butler, of which a view on the collections is given.
    collections
        Collections to look into; they must exist.
    run
        RUN collection to write to, which is made if need be; without, nothing can be written.

    Yields
    ------
    lsst.daf.butler.Butler
        Takes its instrument from the collections where a query names none.

    Raises
    ------
    InvalidInputError
        Raised if there is no repository, or it has no such collection.
    """
    if isinstance(repo, Butler):
        yield repo.clone(collections=collections)
        return
    try:
        butler = Butler.from_config(str(repo), writeable=run is not None)
    except (FileNotFoundError, NotADirectoryError, RuntimeError) as error:
        raise InvalidInputError(
            f"{repo} is no Butler repository: there is no butler.yaml; `butler create` makes an empty one, "
            "`realbogus survey` one with images"
        ) from error
    with butler:
        names = [collections] if isinstance(collections, str) else list(collections)
        for name in names:
            _require_collection(butler, name, repo)
        if run is not None:
            _register_run(butler, run)
        yield butler.clone(collections=names or None, run=run)


def _require_collection(butler: Butler, name: str, repo: str | Path) -> None:
    try:
        butler.collections.get_info(name)
    except MissingCollectionError as error:
        known = sorted(butler.collections.query("*", include_chains=True))
        like = difflib.get_close_matches(name, known, _SHOWN, 0.4) or known[:_SHOWN]
        raise InvalidInputError(
            f"{repo} has no collection {name}; among its {len(known)} are {', '.join(like) or 'none'}"
        ) from error


def _register_run(butler: Butler, run: str) -> None:
    if not _NAME.fullmatch(run):
        raise InvalidInputError(f"{run!r} cannot name a collection; use such as u/me/fakes")
    butler.collections.register(run)
    kind = butler.collections.get_info(run).type
    if kind.name != "RUN":
        raise InvalidInputError(f"{run} is a {kind.name} collection; datasets are written to RUN collections")


def find_datasets(butler: Butler, dataset_type: str, where: str = "") -> list[DatasetRef]:
    """Look for datasets.

    Parameters
    ----------
    butler
        Butler with collections to look into.
    dataset_type
        Dataset type, which need not exist.
    where
        Butler expression that selects data ids, such as ``"visit = 42"``; empty for all.

    Returns
    -------
    list of lsst.daf.butler.DatasetRef
        In order of their data ids.

    Raises
    ------
    InvalidInputError
        Raised if the expression is none.
    """
    try:
        refs = butler.query_datasets(dataset_type, where=where, explain=False, limit=None)
    except MissingDatasetTypeError:
        return []
    except InvalidQueryError as error:
        if not where:
            raise
        reason = " ".join(str(error).split())
        raise InvalidInputError(
            f"cannot select by {where!r}: {reason}; an expression is such as \"visit = 42 AND band = 'r'\""
        ) from error
    return sorted(refs, key=lambda ref: tuple(ref.dataId.required_values))


def require_datasets(
    butler: Butler, dataset_type: str, where: str = "", *, name: str = ""
) -> list[DatasetRef]:
    """Look for datasets of which there must be one at least.

    Parameters
    ----------
    butler, dataset_type, where
        As for `find_datasets`.
    name
        What has them, for the message; by default the names of the butler's collections.

    Returns
    -------
    list of lsst.daf.butler.DatasetRef
        In order of their data ids.

    Raises
    ------
    InvalidInputError
        Raised if there are none, or the expression is none.
    """
    refs = find_datasets(butler, dataset_type, where)
    if not refs:
        name = name or ", ".join(butler.collections.defaults)
        raise InvalidInputError(f"{name} has no {dataset_type}" + (f" where {where}" if where else ""))
    return refs


def find_handle(butler: Butler, dataset_type: str, data_id: DataCoordinate) -> DeferredDatasetHandle | None:
    """Look for a dataset that may not be there.

    Parameters
    ----------
    butler
        Butler with collections to look into.
    dataset_type
        Name of the dataset type.
    data_id
        Which one.

    Returns
    -------
    lsst.daf.butler.DeferredDatasetHandle or None
        Reads the dataset; None if there is none.
    """
    try:
        return butler.getDeferred(dataset_type, data_id)
    except (DatasetNotFoundError, MissingDatasetTypeError):
        return None


def find_table(butler: Butler, dataset_type: str, data_id: DataCoordinate) -> Table | None:
    """Read a table that may not be there, whatever it is stored as.

    Parameters
    ----------
    butler, dataset_type, data_id
        As for `find_handle`.

    Returns
    -------
    astropy.table.Table or None
        The table, None if there is none.
    """
    handle = find_handle(butler, dataset_type, data_id)
    return None if handle is None else get_table(handle)


def handles_by_image(
    handles: Iterable[DeferredDatasetHandle],
) -> dict[tuple[int, int], DeferredDatasetHandle]:
    """Sort handles by the image that their datasets are of.

    Parameters
    ----------
    handles
        Datasets of a visit and detector each.

    Returns
    -------
    dict
        The handles by visit and detector, in this order.
    """
    found = {(int(h.dataId["visit"]), int(h.dataId["detector"])): h for h in handles}
    return dict(sorted(found.items()))
