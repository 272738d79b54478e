"""What a case is: something bad that goes in, and what must happen."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

type Act = Callable[[Path], Any]


@dataclasses.dataclass(frozen=True)
class Refused:
    """The input is refused by an error of this class with this text in its message."""

    error: type[Exception]
    says: str

    def __str__(self) -> str:
        return f"`{self.error.__name__}`: … {self.says} …"


@dataclasses.dataclass(frozen=True)
class Taken:
    """The input is taken, and this comes of it: in words, and as the value that the act returns."""

    words: str
    value: Any

    def __str__(self) -> str:
        return self.words


@dataclasses.dataclass(frozen=True)
class Case:
    """One bad input.

    Parameters
    ----------
    given
        What goes in, in words; unique in its table.
    act
        Puts it in; is given an empty folder.
    then
        What must happen.
    bomb
        Whether it is there to take all memory or time, and so is tried in a process with limits.
    """

    given: str
    act: Act
    then: Refused | Taken
    bomb: bool = False

    def outcome(self, folder: Path) -> Refused | Taken:
        """Try it."""
        try:
            value = self.act(folder)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is compared with what must happen
            said = " ".join(str(error).split())
            is_it = isinstance(self.then, Refused) and type(error) is self.then.error
            if is_it and self.then.says in said:
                return self.then
            return Refused(type(error), said)
        if isinstance(self.then, Taken) and same(value, self.then.value):
            return self.then
        return Taken("it is taken", value)


def same(value: Any, expected: Any) -> bool:
    """Compare what came out with what must come out, NaN being NaN."""
    try:
        np.testing.assert_equal(value, expected)
    except AssertionError:
        return False
    return True


@dataclasses.dataclass(frozen=True)
class Table:
    """Cases of one kind of input.

    Parameters
    ----------
    title
        What the inputs are.
    doors
        Where they go in.
    cases
        The cases.
    """

    title: str
    doors: str
    cases: tuple[Case, ...]


class Cases:
    """A list of cases in the making."""

    def __init__(self) -> None:
        self.all: list[Case] = []

    def refused(self, given: str, act: Act, error: type[Exception], says: str, *, bomb: bool = False) -> None:
        """Add a case that ends in an error."""
        self.all.append(Case(given, act, Refused(error, says), bomb))

    def taken(self, given: str, act: Act, words: str, value: Any, *, bomb: bool = False) -> None:
        """Add a case that ends in an answer."""
        self.all.append(Case(given, act, Taken(words, value), bomb))

    def table(self, title: str, doors: str) -> Table:
        """Close the list."""
        return Table(title, doors, tuple(self.all))


def unique(tables: Iterable[Table]) -> dict[str, Case]:
    """Return all cases by table and input; raise `ValueError` if two are called the same."""
    found: dict[str, Case] = {}
    for table in tables:
        for case in table.cases:
            name = f"{table.title}: {case.given}"
            if name in found:
                raise ValueError(f"two cases are called {name!r}")
            found[name] = case
    return found
