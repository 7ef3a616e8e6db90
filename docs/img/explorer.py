"""Takes the pictures of the explorer in this folder: `make pictures`.

It starts a stack of its own, on which two people are at work, and needs Chromium in PATH;
`CHROMIUM` names another one. It prints how fast the page was shown.
"""

import io
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, expect, sync_playwright

from stack.commands import Commands
from stack.console import Console
from stack.supervisor import Stack
from tests.browser.explorer import Explorer
from tests.stack import fresh_settings

HERE = Path(__file__).parent
README = HERE / "explorer.png"
WIDTHS = (380, 800, 1280, 1920)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
TWEETS = (
    "That brain of mine is more than merely mortal; as time will show.",
    "The Analytical Engine weaves algebraic patterns just as the Jacquard loom weaves flowers.",
)

FIGURES = """async () => {
  const observed = (type) => new Promise((resolve) => {
    new PerformanceObserver((list) => resolve(list.getEntries()))
      .observe({ type, buffered: true });
    setTimeout(resolve, 500, []);
  });
  const resources = performance.getEntriesByType("resource");
  const sum = (entries) => entries.reduce((total, { transferSize }) => total + transferSize, 0);
  const [paint] = performance.getEntriesByName("first-contentful-paint");
  const largest = (await observed("largest-contentful-paint")).at(-1);
  const shifts = (await observed("layout-shift")).filter(({ hadRecentInput }) => !hadRecentInput);
  return {
    "first contentful paint (ms)": Math.round(paint.startTime),
    "largest contentful paint (ms)": Math.round(largest.startTime),
    "layout shift": Number(shifts.reduce((total, { value }) => total + value, 0).toFixed(4)),
    "transferred (kB)": Math.round(
      (sum(resources) + sum(performance.getEntriesByType("navigation"))) / 1000),
    "requests": resources.length + 1,
  };
}"""
"""What Lighthouse measures, by the browser itself."""


def open_window(
    browser: Browser,
    url: str,
    width: int = 1360,
    scheme: Literal["light", "dark"] = "light",
    scale: float = 1,
) -> Explorer:
    context = browser.new_context(
        base_url=url,
        color_scheme=scheme,
        viewport={"width": width, "height": 850 if width == 1360 else 800},
        device_scale_factor=scale,
        reduced_motion="reduce",
    )
    return Explorer(context.new_page()).open()


def take(page: Page, picture: Path) -> None:
    page.mouse.move(0, 0)
    page.screenshot(path=picture)
    sys.stdout.write(f"{picture.name}: {picture.stat().st_size // 1000} kB\n")


def take_readme(browser: Browser, url: str) -> None:
    ada = open_window(browser, url, scale=1.5)
    grace = open_window(browser, url)
    ada.sign_up("ada")
    grace.sign_up("grace")
    ada.watch_feed()
    for text in TWEETS:
        tweet = ada.run("Tweet", {"text": text})["data"]["createTweet"]["id"]
        grace.run("Retweet", {"tweetId": tweet})
    expect(ada.events).to_have_count(2 * len(TWEETS))
    ada.run("MyTweets")
    take(ada.page, README)


def take_widths(browser: Browser, url: str) -> None:
    for scheme in SCHEMES:
        for width in WIDTHS:
            explorer = open_window(browser, url, width, scheme)
            figures = explorer.page.evaluate(FIGURES)
            if scheme == "light":
                sys.stdout.write(f"{width} px: {figures}\n")
            explorer.sign_up(f"joan{width}{scheme}")
            explorer.watch_feed()
            explorer.tweet_elsewhere(TWEETS[1])
            expect(explorer.feed).to_contain_text("1 event")
            explorer.run("MyTweets")
            take(explorer.page, HERE / f"explorer-{width}-{scheme}.png")
            explorer.page.context.close()


def take_all(url: str) -> None:
    with sync_playwright() as playwright:
        chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium)
        take_readme(browser, url)
        take_widths(browser, url)
        browser.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        settings = fresh_settings(folder / "settings.env", AUTH_SIGN_UPS_PER_NETWORK="1000")
        commands = Commands(Console(io.StringIO()), threading.Event())
        stack = Stack(settings, folder / "data", commands)
        try:
            stack.start()
            stack.start_pages(wait=True)
            take_all(stack.url("edge"))
        finally:
            stack.stop()


if __name__ == "__main__":
    main()
