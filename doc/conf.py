"""How Sphinx makes the manual: `make docs`."""

from importlib.metadata import version as _version

project = "meas_realbogus"
author = "the developers of meas_realbogus"
copyright = f"2026, {author}"
release = _version("lsst-meas-realbogus")
version = ".".join(release.split(".")[:2])

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["changes"]
html_theme = "furo"
html_title = f"meas_realbogus {version}"

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"
numpydoc_show_class_members = False
