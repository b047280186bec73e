"""Options that belong together reach a command as one object, and several commands can share them.

    @dataclass(frozen=True)
    class LimitOptions:
        attempts: Annotated[int, typer.Option(help="Tries of one call.")] = 6

    @grouped
    def generate(out: Path, limits: LimitOptions) -> None: ...        # generate OUT --attempts 6

A parameter whose type is a dataclass stands for its fields; on the command line they are options like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any

import typer

from rsd_bench.cli import panels
from rsd_bench.features.devices import DeviceName

#: Of a command that loads a router: where one of its encoders lies, if not where it was found when it was trained.
EncoderPlace = Annotated[
    str | None, typer.Option(metavar="ID_OR_PATH", help="Where the encoder lies.", rich_help_panel=panels.ENCODERS)
]

#: Where a command computes what takes torch.
OnDevice = Annotated[
    DeviceName,
    typer.Option("--device", help="Where it computes; auto: cuda, else mps, else cpu.", rich_help_panel=panels.ENGINE),
]


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command as typer is to read it: each group in its signature replaced by its fields."""
    groups: dict[str, Any] = {}
    options: list[Parameter] = []
    for parameter in signature(command, eval_str=True).parameters.values():
        kind = parameter.annotation
        if isinstance(kind, type) and is_dataclass(kind):
            groups[parameter.name] = kind
            options += signature(kind, eval_str=True).parameters.values()
        else:
            options.append(parameter)

    @wraps(command)
    def run(**given: Any) -> None:
        made = {name: kind(**{f.name: given.pop(f.name) for f in fields(kind)}) for name, kind in groups.items()}
        command(**given, **made)

    by_name = [option.replace(kind=Parameter.KEYWORD_ONLY) for option in options]
    vars(run)["__signature__"] = signature(command).replace(parameters=by_name)
    return run
