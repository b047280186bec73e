"""Pictures of a board's page: `python tests/support/screenshots.py PAGE OUT [--all]`.

OUT/board.png and OUT/board-charts.png are those of the README; --all adds every view at both widths in both themes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from boards import FLAGS, browser_path
from playwright.sync_api import sync_playwright

DESK, PHONE = {"width": 1280, "height": 1180}, {"width": 375, "height": 812}


def shoot(
    browser: Any, page: Path, out: Path, size: dict[str, int], theme: str, state: str = "", of: str = "", **options: Any
) -> None:
    """One picture. state: what the link names, of: the part of the page that is wanted."""
    context = browser.new_context(viewport=size, color_scheme=theme, device_scale_factor=1.5)
    view = context.new_page()
    view.goto(f"{page.resolve().as_uri()}#{state}")
    (view.locator(of) if of else view).screenshot(path=out, **options)
    context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        shoot(browser, options.page, options.out / "board.png", DESK, "light")
        charts = {"state": "scenario=high_quality", "of": ".pair:has(#plane)"}
        shoot(browser, options.page, options.out / "board-charts.png", DESK, "dark", **charts)
        if options.all:
            for size, name in ((DESK, "desk"), (PHONE, "phone")):
                for theme in ("light", "dark"):
                    shoot(browser, options.page, options.out / f"all-{name}-{theme}.png", size, theme, full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
