"""Options: frozen classes whose fields carry their meaning and their limits, checked whenever one is made.

A class of options is the only place where a default, its meaning and its limits are written. Task
configurations, settings on the command line (``NAME=VALUE``), YAML files and the table in ``doc/options.md``
are made from it, so that all of them refuse the same values with the same words.
"""

from __future__ import annotations

from ._entry import Entry, option
from ._options import Options, entries, from_settings

__all__ = ("Entry", "Options", "entries", "from_settings", "option")
