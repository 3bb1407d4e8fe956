#!/usr/bin/env python3
"""Photograph a result's overview.html as docs/images/overview.png, with Debian's chromium.

usage: make_overview_picture.py RESULT [TARGET]
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

#: In pixels; down to where the list of files begins.
WIDTH = 1120


def main() -> None:
    """Photograph what the command line names."""
    page_file = Path(sys.argv[1]).resolve() / "overview.html"
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parents[1] / "docs/images/overview.png"
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("chromium is missing: apt-get install chromium")
    if not page_file.is_file():
        sys.exit(f"{page_file} is missing: stembridge deliver {sys.argv[1]} --deliver preview,overview")
    target.parent.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        # Without the sandbox, so that it runs as root too; the page is our own.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 800})
        page.goto(page_file.as_uri())
        page.evaluate("player.seek(bars[4] ?? 0)")
        tracks = page.locator("#tracks").bounding_box()
        assert tracks is not None
        height = tracks["y"] + tracks["height"] + 8
        page.screenshot(path=target, full_page=True, clip={"x": 0, "y": 0, "width": WIDTH, "height": height})
        browser.close()
    print(f"wrote {target}")


if __name__ == "__main__":
    main()
