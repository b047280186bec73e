"""What `rsd-bench` alone shows: the four ways in, each with the commands that begin it.

Somebody who types it has a case, not yet a command; `--help` lists those.
"""

from __future__ import annotations

#: Each way with its page and its commands, in the order they are typed; words in capitals stand for your own.
PATHS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Load and train a router": (
        "docs/routers.md",
        (
            "rsd-bench router list",
            "rsd-bench router train ngram-gain --out routers/words",
        ),
    ),
    "Submit it": (
        "docs/submitting.md",
        (
            "rsd-bench submit new my-router --from PROBABILITIES.csv --tau 0.6",
            "rsd-bench eval submissions/my-router",
            "rsd-bench board build",
        ),
    ),
    "Build a dataset and its board": (
        "docs/formats.md",
        (
            "rsd-bench data inspect PATH",
            "rsd-bench data build RECIPE.toml --store STORE --out build/mine",
            "rsd-bench board build --data build/mine",
        ),
    ),
    "Deploy a router": (
        "docs/serving.md",
        ("rsd-bench serve --router routers/words --edge MODEL@URL --cloud MODEL@URL",),
    ),
}


def shown() -> str:
    """The ways in, as text."""
    ways = (
        "\n".join([f"{title} ({page})", *(f"  {command}" for command in commands)])
        for title, (page, commands) in PATHS.items()
    )
    start = "Four ways in; `rsd-bench demo` goes through the first two in about a minute."
    end = "All commands: rsd-bench --help. Completion in your shell: rsd-bench --install-completion."
    return "\n\n".join([start, *ways, end])
