"""Names of models: which of those there are somebody means, and whether the model that answered is the one asked.

A version is the asked name with a date or a number of release behind it (`gpt-4o-2024-08-06`, `gpt-4-0613`,
`claude-3-5-sonnet@20240620`, `gemini-1.5-pro-002`), or what a name that ends in `latest` stands for. Any other name is
that of another model: `gpt-4o-mini` is no version of `gpt-4o`, `claude-opus-4-1` none of `claude-opus-4`. Organizations
and folders before a slash, and case, tell nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher

_YEAR, _MONTH, _DAY = r"20\d\d", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_RELEASE = re.compile(
    rf"[-@:](?:{_YEAR}-{_MONTH}-{_DAY}|{_YEAR}{_MONTH}{_DAY}|{_MONTH}{_DAY}|2\d{_MONTH}|{_MONTH}-{_YEAR}|00\d|latest)"
    r"(?:-preview)?"
)
_NEAREST = 3  # models that are named in place of one that is not there
_LATEST = re.compile(r"[-:]latest$")


def find_model(asked: str, scores: Mapping[str, int], aliases: Mapping[str, str]) -> str:
    """The canonical id of the model that `asked` means: itself, or what it is an alias of, in any source, in any case.

    scores: scored answers by canonical id. aliases: canonical id by alias, some SOURCE:NAME (`config.load_aliases`).
    ValueError that names the nearest models where there is none, or those that share the name.
    """
    if asked in scores:
        return asked
    known = _names(scores, aliases)
    meant = models_meant(asked, scores, aliases)
    if len(meant) == 1:
        return meant.pop()
    if meant:
        raise ValueError(f"{asked!r} is the name of several models: {_counted(sorted(meant), scores)}")
    if not scores:
        raise ValueError(f"no model {asked!r}: there are no outcomes")
    nearness: dict[str, float] = {}
    for name, model in known.items():
        ratio = SequenceMatcher(None, asked.casefold(), name.casefold()).ratio()
        nearness[model] = max(ratio, nearness.get(model, 0.0))
    nearest = sorted(nearness, key=lambda model: (-nearness[model], model))[:_NEAREST]
    raise ValueError(f"no model {asked!r}; the nearest are {_counted(nearest, scores)}")


def models_meant(asked: str, models: Iterable[str], aliases: Mapping[str, str]) -> set[str]:
    """Which of `models` a name may mean: that model itself, else those that it is an alias of, in any case."""
    known = _names(models, aliases)
    if known.get(asked) == asked:
        return {asked}
    for fold in (str, str.casefold):
        wanted = fold(asked)
        if meant := {model for name, model in known.items() if wanted in (fold(name), fold(name.partition(":")[2]))}:
            return meant
    return set()


def _names(models: Iterable[str], aliases: Mapping[str, str]) -> dict[str, str]:
    """The model that each name stands for."""
    own = {name: name for name in models}
    return {**own, **{name: model for name, model in aliases.items() if model in own}}


def _counted(models: Iterable[str], scores: Mapping[str, int]) -> str:
    return ", ".join(f"{model} ({scores[model]:,} scores)" for model in models)


def is_version(served: str, asked: str) -> bool:
    """Whether `served` names the model `asked`, or one version of it."""
    name, base = (text.rpartition("/")[2].lower() for text in (served, asked))
    base = _LATEST.sub("", base)
    return name.startswith(base) and (name == base or _RELEASE.fullmatch(name[len(base) :]) is not None)


def what_moved(asked: str, served: Iterable[str]) -> str | None:
    """What is wrong with the names under which a model answered; None where they are one version of what was asked."""
    names = sorted(set(served))
    others = [name for name in names if not is_version(name, asked)]
    if others:
        return f"was answered by {', '.join(others)}"
    if len({name.rpartition("/")[2].lower() for name in names}) > 1:
        return f"was answered by several versions: {', '.join(names)}"
    return None
