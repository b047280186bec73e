"""How the site shows a docstring of the package: each argument that it explains begins a paragraph, in bold.

The package writes `mes: one number in [0, 10].` within its sentences, which is short in an editor and hard to find on a
page. A constant is explained by the `#:` lines above it, which griffe does not read.
"""

from __future__ import annotations

import re
from typing import Any

import griffe


class Parameters(griffe.Extension):
    """Sets off the arguments of functions and the fields of classes; gives constants their explanation."""

    def on_function(self, *, func: griffe.Function, **kwargs: Any) -> None:
        _set_off(func, [parameter.name for parameter in func.parameters])

    def on_class(self, *, cls: griffe.Class, **kwargs: Any) -> None:
        _set_off(cls, list(cls.members))

    def on_attribute(self, *, attr: griffe.Attribute, **kwargs: Any) -> None:
        if attr.docstring is None and attr.lineno is not None and isinstance(attr.parent, griffe.Module):
            above = attr.parent.lines[: attr.lineno - 1]
            told: list[str] = []
            while above and above[-1].startswith("#:"):
                told.insert(0, above.pop().removeprefix("#:").strip())
            if told:
                attr.docstring = griffe.Docstring(" ".join(told), parent=attr)


def _set_off(documented: griffe.Function | griffe.Class, names: list[str]) -> None:
    if documented.docstring is None or not names:
        return
    name = "|".join(map(re.escape, names))
    explained = re.compile(rf"(?:^|(?<=[.;])\s+|\n\s*)((?:{name})(?:, (?:{name}))*): ", re.M)
    documented.docstring.value = explained.sub(r"\n\n**\1**: ", documented.docstring.value)
