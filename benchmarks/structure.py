"""How a checkout is built, from its text alone, so that two commits can be compared: `structure.py [CHECKOUT]`."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "rsd_bench"
UNTYPED = re.compile(r"\b(?:dict|Mapping)\[str, Any\]")
PARAMETERS = 8


def module_of(file: Path, package: Path) -> str:
    """The package directly below `rsd_bench`, or the module there, that a file belongs to."""
    return file.relative_to(package).parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[str]:
    """Top-level names of ours that a file imports, inside functions too; not those for the type checker."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            whole = [f"{node.module}.{name.name}" for name in node.names]
        else:
            whole = [name.name for name in node.names] if isinstance(node, ast.Import) else []
        yield from (name.split(".")[1] for name in whole if name.startswith(f"{PACKAGE}."))
        yield from imports(node)


def reach(arrows: dict[str, Counter[str]], start: str) -> set[str]:
    """What a module imports, directly or through others."""
    found, left = set[str](), [start]
    while left:
        new = set(arrows[left.pop()]) - found
        found |= new
        left += new
    return found


def parameters(node: ast.AST) -> int:
    """How many arguments a function takes besides self; 0 for what is no function."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return 0
    taken = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return sum(argument.arg not in ("self", "cls") for argument in taken)


def longest(root: Path, files: list[Path]) -> str:
    lines = {file: len(file.read_text("utf-8").splitlines()) for file in files}
    first = max(files, key=lambda file: lines[file])
    return f"{first.relative_to(root)}, {lines[first]} lines ({len(files)} files, {sum(lines.values())} lines)"


def main(root: Path) -> None:
    package = root / PACKAGE
    files, tests = sorted(package.rglob("*.py")), sorted((root / "tests").rglob("*.py"))
    arrows: dict[str, Counter[str]] = defaultdict(Counter)
    many, untyped = [], 0
    for file in files:
        tree, here = ast.parse(file.read_text("utf-8")), module_of(file, package)
        arrows[here].update(name for name in imports(tree) if name != here and not here.startswith("__"))
        untyped += sum(bool(UNTYPED.search(line)) for line in file.read_text("utf-8").splitlines())
        long = [node for node in ast.walk(tree) if here != "cli" and parameters(node) > PARAMETERS]
        many += [f"{file.relative_to(package)}:{node.lineno} {node.name} ({parameters(node)})" for node in long]
    below = {name: reach(arrows, name) for name in list(arrows)}
    names = sorted((name for name in below if not name.startswith("__")), key=lambda name: (len(below[name]), name))
    print("Imports, what stands on others below it")
    for name in names:
        count = sum(module_of(file, package) == name for file in files)
        kind = f"{name}/ ({count})" if (package / name).is_dir() else name
        print(f"  {kind:16} <- {' '.join(sorted(arrows[name], key=names.index)) or '-'}")
    cyclic = [f"{a} <-> {b}" for a in names for b in names if a < b and a in below[b] and b in below[a]]
    twice = [name for name, count in Counter(file.name for file in files).items() if count > 1 and name[0] != "_"]
    silent = [str(f.parent.relative_to(root)) for f in files if not f.read_text("utf-8").strip()]
    for title, found in {
        "Cycles (each imports the other, directly or not)": cyclic,
        f"Functions with more than {PARAMETERS} parameters, cli apart": many,
        "File names that stand twice": [
            f"{name}: {' '.join(module_of(file, package) for file in files if file.name == name)}" for name in twice
        ],
        "__init__.py without a word": silent,
    }.items():
        print(f"{title}: {len(found)}", *found, sep="\n  ")
    print(f"Lines with dict[str, Any] or Mapping[str, Any]: {untyped}")
    print(f"Longest file of the package: {longest(root, files)}")
    print(f"Longest file of the tests: {longest(root, tests)}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent))
