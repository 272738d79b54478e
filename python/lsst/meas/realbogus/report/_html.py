"""What every page is made with: templates, and pictures that live inside the page."""

from __future__ import annotations

__all__ = ("page_environment", "png_uri")

import base64
from pathlib import Path

import jinja2


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
