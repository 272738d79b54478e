"""What every page is made with: templates, and pictures that live inside the page."""

from __future__ import annotations

__all__ = ("page_environment", "png_uri", "write_html")

import base64
from pathlib import Path

import jinja2

from ..tables import atomic_output


def page_environment() -> jinja2.Environment:
    """Return a new environment of the pages' templates: text is escaped, unknown names are errors."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def png_uri(content: bytes) -> str:
    """Write a PNG as an address that holds the picture itself.

    Parameters
    ----------
    content
        The file.
    """
    return "data:image/png;base64," + base64.b64encode(content).decode()


def write_html(path: Path, html: str, *, overwrite: bool = False) -> Path:
    """Write a page.

    Parameters
    ----------
    path
        File to write; its folder must exist.
    html
        The page.
    overwrite
        Replace the file if it exists.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    OutputError
        If the file exists or cannot be written.
    """
    with atomic_output(path, overwrite=overwrite) as place:
        place.write_text(html, encoding="utf-8")
    return path
