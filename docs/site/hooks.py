"""What `mkdocs build` adds to docs/: pages that lie elsewhere, pages that are made, a place in the nav for all.

A link of a page is one between files of the repository, so that it holds on a code host too. Here it is turned into one
between pages of the site; a link to a file that the site does not carry keeps its words only.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

import pages
from mkdocs.structure.files import File, Files

#: Files of the repository that are pages, or parts of pages, of the site, by their place in it.
CARRIED = {
    "README.md": "overview.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "dataset_cards/rsd-open.md": "card.md",
    "rsd_bench/editions/rsd-open-lite/assets/score-histogram.svg": "card-score-histogram.svg",
    "benchmarks/README.md": "benchmarks.md",
    "leaderboard/index.html": "leaderboard/index.html",
}
_LINK = re.compile(r"(?P<image>!?)\[(?P<words>[^\]]*)\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")
_BLOCK = re.compile(r"^(```.*?^```)$", re.M | re.S)


def on_files(files: Files, config: Any) -> Files:
    made = {"reference/commands.md": pages.commands_page(), "reference/python.md": pages.python_page()}
    for uri, content in made.items():
        files.append(File.generated(config, uri, content=content))
    for source, uri in CARRIED.items():
        files.append(File.generated(config, uri, abs_src_path=str(pages.ROOT / source)))
    named = set(re.findall(r"[\w/-]+\.md", str(config.nav)))
    if rest := sorted({file.src_uri for file in files.documentation_pages()} - named):
        config.nav.append({"Further pages": rest})
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    uri = page.file.src_uri
    source = {at: name for name, at in CARRIED.items()}.get(uri, f"docs/{uri}")

    def on_site(link: re.Match[str]) -> str:
        if re.match(r"\w+:", link["target"]):
            return link[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), link["target"]))
        place = CARRIED.get(path, path.removeprefix("docs/") if path.startswith("docs/") else "")
        if files.get_file_from_path(place) is None and not path.startswith("docs/"):
            return link["words"]
        relative = posixpath.relpath(place, posixpath.dirname(uri) or ".")
        return f"{link['image']}[{link['words']}]({relative}{link['anchor'] or ''})"

    parts = _BLOCK.split(markdown)
    return "".join(part if part.startswith("```") else _LINK.sub(on_site, part) for part in parts)
