"""A judge is a folder that can be diffed: judge.toml, rubric.md, prompt.md, repair.md, verdict.json.

The model under judgement is never named. Its text stands between two marks that carry a code made from the text itself
(sha256), so no text can hold its own closing mark. Templates are filled in one pass: a `$` in an answer stays a `$`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from rsd_bench.config import read_toml
from rsd_bench.endpoints.calls import RESERVED, user_content
from rsd_bench.jsonl import parse_json
from rsd_bench.sources.ids import is_name
from rsd_bench.types import InputError, Problem

SHIPPED = Path(__file__).parent / "prompts"
_FILES = ("judge.toml", "rubric.md", "prompt.md", "repair.md", "verdict.json")
_FIELDS = {"question", "reference", "candidate", "code"}
_CODE_LENGTH = 16


@dataclass(frozen=True)
class JudgePrompt:
    """A judge folder. `digest`: sha256 of its files, so that an edit without a new version still asks anew.

    image: the judge sees the images and sounds of a query too.
    """

    name: str
    version: str
    digest: str
    rubric: str
    prompt: Template
    repair: str
    schema: Mapping[str, Any]
    params: Mapping[str, Any]
    image: bool

    @property
    def key(self) -> str:
        """The prompt version in the key of a request."""
        return f"{self.name}@{self.version}:{self.digest}"

    def messages(
        self, question: str, reference: str, candidate: str, media: Sequence[tuple[str, str]]
    ) -> list[dict[str, Any]]:
        """What the judge reads about one answer. media: kind and sha256 of each, in order."""
        code = mark_code(candidate)
        text = self.prompt.substitute(question=question, reference=reference, candidate=candidate, code=code)
        content = user_content(media if self.image else (), text)
        return [{"role": "system", "content": self.rubric}, {"role": "user", "content": content}]

    def repair_messages(self, messages: list[dict[str, Any]], reply: str) -> list[dict[str, Any]]:
        """The one more try after a reply that is no verdict."""
        return [*messages, {"role": "assistant", "content": reply}, {"role": "user", "content": self.repair}]


def mark_code(candidate: str) -> str:
    """The code of the marks around a candidate answer."""
    return hashlib.sha256(candidate.encode("utf-8", "surrogatepass")).hexdigest()[:_CODE_LENGTH]


def load_prompt(name: str) -> JudgePrompt:
    """The shipped judge of that name, or the one in a folder. InputError listing every fault."""
    folder = SHIPPED / name if is_name(name) and (SHIPPED / name).is_dir() else Path(name)
    if not folder.is_dir():
        shipped = ", ".join(sorted(p.name for p in SHIPPED.iterdir() if p.is_dir()))
        raise InputError.at(name, "is no judge folder", f"use {shipped}, or a folder with {', '.join(_FILES)}")
    problems: list[Problem] = []
    texts: dict[str, str] = {}
    digest = hashlib.sha256()
    for file in _FILES:
        try:
            data = (folder / file).read_bytes()
            texts[file] = data.decode("utf-8-sig").strip()
            digest.update(file.encode() + b"\0" + data + b"\0")
        except UnicodeDecodeError:
            problems.append(Problem(str(folder / file), "is not UTF-8", "save it as UTF-8"))
        except OSError as error:
            problems.append(Problem(str(folder / file), error.strerror or "cannot be read", "a judge needs this file"))
    if problems:
        raise InputError(problems)
    settings = read_toml(folder / "judge.toml")
    template = Template(texts["prompt.md"])
    schema = _schema(folder / "verdict.json", texts["verdict.json"], problems)
    _check(folder, settings, template, problems)
    if problems:
        raise InputError(problems)
    return JudgePrompt(
        name=settings["name"],
        version=str(settings["version"]),
        digest=digest.hexdigest()[:_CODE_LENGTH],
        rubric=texts["rubric.md"],
        prompt=template,
        repair=texts["repair.md"],
        schema=schema,
        params=settings.get("params", {}),
        image=settings.get("image", False),
    )


def _check(folder: Path, settings: dict[str, Any], template: Template, problems: list[Problem]) -> None:
    path = str(folder / "judge.toml")
    if not (isinstance(settings.get("name"), str) and is_name(settings["name"])):
        problems.append(Problem(path, f"name is {settings.get('name')!r}", 'name = "my-judge"'))
    if not (isinstance(settings.get("version"), str) and is_name(settings["version"])):
        problems.append(Problem(path, f"version is {settings.get('version')!r}", 'version = "1"'))
    params = settings.get("params", {})
    if not isinstance(params, dict) or not isinstance(settings.get("image", False), bool):
        problems.append(Problem(path, "params is no table, or image no boolean", "[params] temperature = 0"))
    else:
        fix = "a parameter of a chat completion, with a text, a boolean or a finite number"
        problems += [
            Problem(path, f"[params] {name} {'cannot be set' if name in RESERVED else 'is no JSON value'}", fix)
            for name, value in params.items()
            if name in RESERVED or not _is_json(value)
        ]
    found = set(template.get_identifiers()) if template.is_valid() else set()
    if found != _FIELDS:
        what = f"uses {', '.join(sorted(found)) or 'no valid field'}"
        fix = f"use each of {', '.join(f'${f}' for f in sorted(_FIELDS))}; write $$ for a dollar sign"
        problems.append(Problem(str(folder / "prompt.md"), what, fix))


def _is_json(value: Any) -> bool:
    """Whether a value of TOML can be sent: dates, inf and nan cannot."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def _schema(path: Path, text: str, problems: list[Problem]) -> dict[str, Any]:
    """The schema of a verdict: it must ask for a bounded number `score` and a string `rationale`."""
    try:
        schema = parse_json(text)
        Draft202012Validator.check_schema(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
        score, rationale = (schema["properties"][name] for name in ("score", "rationale"))
        if not (
            score["type"] in ("integer", "number")
            and (score["minimum"], score["maximum"]) == (0, 10)
            and rationale["type"] == "string"
            and {"score", "rationale"} <= set(schema["required"])
        ):
            raise ValueError("score must be a required number from 0 to 10, rationale a required string")
        _try(schema)
    except (ValueError, KeyError, TypeError, SchemaError, Unresolvable) as error:
        what = f"lacks {error}" if isinstance(error, (KeyError, TypeError)) else str(error).splitlines()[0]
        problems.append(Problem(str(path), what, "see rsd_bench/judge/prompts/reference/verdict.json"))
        return {}
    return dict(schema)


def _try(schema: dict[str, Any]) -> None:
    """Raise Unresolvable for a reference that leads nowhere in this file, ValueError for one that never ends."""
    resource = DRAFT202012.create_resource(schema)
    name = resource.id() or ""
    resolver = Registry().with_resource(name, resource).resolver(name)
    for reference in _references(schema):
        resolver.lookup(reference)
    try:
        list(Draft202012Validator(schema).iter_errors({"rationale": "any", "score": 0}))
    except RecursionError:
        raise ValueError("a $ref leads back to itself") from None


def _references(schema: Any) -> Iterator[str]:
    """Every $ref and $dynamicRef of a schema."""
    if isinstance(schema, dict):
        yield from (schema[name] for name in ("$ref", "$dynamicRef") if isinstance(schema.get(name), str))
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _references(part)
