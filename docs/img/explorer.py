"""Takes the picture of the explorer in this folder: `python -m docs.img.explorer`.

It starts a stack of its own, on which two people are at work, and needs Chromium in PATH;
`CHROMIUM` names another one.
"""

import io
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from stack.commands import Commands
from stack.console import Console
from stack.supervisor import Stack
from tests.browser.explorer import Explorer
from tests.stack import fresh_settings

PICTURE = Path(__file__).with_name("explorer.png")
TWEETS = (
    "That brain of mine is more than merely mortal; as time will show.",
    "The Analytical Engine weaves algebraic patterns just as the Jacquard loom weaves flowers.",
)


def open_window(browser: Browser, url: str) -> Explorer:
    context = browser.new_context(
        base_url=url,
        viewport={"width": 1360, "height": 850},
        device_scale_factor=1.5,
        reduced_motion="reduce",
    )
    return Explorer(context.new_page()).open()


def take(url: str) -> None:
    with sync_playwright() as playwright:
        chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium)
        ada, grace = open_window(browser, url), open_window(browser, url)
        ada.sign_up("ada")
        grace.sign_up("grace")
        ada.watch_feed()
        for text in TWEETS:
            tweet = ada.run("Tweet", {"text": text})["data"]["createTweet"]["id"]
            grace.run("Retweet", {"tweetId": tweet})
        expect(ada.events).to_have_count(2 * len(TWEETS))
        ada.run("MyTweets")
        ada.page.mouse.move(0, 0)
        ada.page.screenshot(path=PICTURE)
        first = ada.page.evaluate(
            "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        )
        size = PICTURE.stat().st_size // 1000
        sys.stdout.write(f"{PICTURE.name}: {size} kB; the page's first paint: {first:.0f} ms\n")
        browser.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        settings = fresh_settings(folder / "settings.env")
        commands = Commands(Console(io.StringIO()), threading.Event())
        stack = Stack(settings, folder / "data", commands)
        try:
            stack.start()
            stack.start_pages(wait=True)
            take(stack.url("edge"))
        finally:
            stack.stop()


if __name__ == "__main__":
    sys.exit(main())
