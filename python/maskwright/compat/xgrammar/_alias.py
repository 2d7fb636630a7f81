"""``import xgrammar`` resolved to the stand-in."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_NAME = "xgrammar"
_PARENT = "maskwright.compat."


class _Alias(MetaPathFinder, Loader):
    """Finds ``xgrammar`` and its submodules in this package; each is one module under two names."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:  # noqa: ARG002
        if fullname != _NAME and not fullname.startswith(_NAME + "."):
            return None
        if importlib.util.find_spec(_PARENT + fullname) is None:
            return None
        return ModuleSpec(fullname, self)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(_PARENT + spec.name)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # It has been executed under its own name, which stays its own.
        spec = module.__spec__
        if spec is not None and spec.loader_state is not None:
            module.__spec__ = spec.loader_state


_ALIAS = _Alias()


def _imported() -> list[str]:
    return [name for name in sys.modules if name == _NAME or name.startswith(_NAME + ".")]


def install() -> None:
    """Make ``import xgrammar`` give this package from now on. Calling it again does nothing.

    Raises:
        RuntimeError: XGrammar itself has been imported already; what others hold of it would not change.

    """
    if _ALIAS in sys.meta_path:
        return
    if _imported():
        raise RuntimeError("xgrammar has been imported already: call maskwright.compat.xgrammar.install() before anything imports it")
    sys.meta_path.insert(0, _ALIAS)


def uninstall() -> None:
    """Undo :func:`install`; modules that have imported the stand-in keep it."""
    if _ALIAS in sys.meta_path:
        sys.meta_path.remove(_ALIAS)
        for name in _imported():
            del sys.modules[name]
