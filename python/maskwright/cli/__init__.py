"""The command ``maskwright``. Needs the extra ``cli``; without it one line says so.

Must not import: anything that the extra brings, before it is known to be there.
"""

from __future__ import annotations

import importlib.util
import sys


def main() -> None:
    """Run the command line."""
    if any(importlib.util.find_spec(name) is None for name in ("typer", "rich")):
        sys.exit("the command line needs the extra `cli`: pip install 'maskwright[cli]'")
    from maskwright.cli.app import app

    app()


__all__ = ["main"]
