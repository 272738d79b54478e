"""Write doc/bad_input.md, the table of bad input and what happens, from the cases that the tests try."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "doc" / "bad_input.md"
_HEAD = """# Bad input, and what happens

{n} inputs that a package which runs unattended will meet one day, or that somebody made to do harm, and
what becomes of each: an error with these words in its message, or an answer. Each row is a test
(`tests/bad_input`), and this page is written from them by `python tools/write_bad_input.py`. What messages
mean is in [messages and what to do](faq.md).

Rows marked with ● are made to take all memory or time. They are tried in a process that may have little
more than one gigabyte, and a minute of CPU for all of them together.

What no table of single cases can show is left to chance: `tests/test_fuzz_readers.py` gives every reader
files with bytes altered, cut off and put in. Limits of options are tried by `tests/test_options.py`, images
that do not belong together in every task by `tests/test_images_together.py`, wrong command lines by
`tests/test_cli_failures.py`.
"""


def page() -> str:
    """Make the page."""
    sys.path.insert(0, str(ROOT / "tests"))
    from bad_input import CASES, TABLES

    parts = [_HEAD.format(n=len(CASES))]
    for table in TABLES:
        parts.append(
            f"\n## {table.title}\n\nTo {table.doors}.\n\n| what goes in | what happens |\n|---|---|\n"
        )
        for case in table.cases:
            mark = " ●" if case.bomb else ""
            parts.append(f"| {_cell(case.given)}{mark} | {_cell(str(case.then))} |\n")
    return "".join(parts)


def _cell(text: str) -> str:
    """Escape what is not in backquotes."""
    parts = text.replace("|", "\\|").split("`")
    return "`".join(part if number % 2 else _plain(part) for number, part in enumerate(parts))


def _plain(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


if __name__ == "__main__":
    PAGE.write_text(page())
