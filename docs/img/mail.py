"""Takes the pictures of the mail: `python -m docs.img.mail`, with Chromium in PATH.

`CHROMIUM` sets another command.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from notifier.domain import Delivery, Draft, EmailSettings, Recipient, ReportedTweet, Tweet
from notifier.rendering import RetweetMails

HERE = Path(__file__).parent
NOW = datetime(2026, 11, 1, tzinfo=UTC)
ID = UUID(int=1)


def mail() -> str:
    render = RetweetMails(
        "Chirp",
        "https://chirp.example/tweets/{id}",
        lambda _, __: "https://chirp.example/unsubscribe",
    )
    text = (
        "The Analytical Engine weaves algebraic patterns\n"
        "just as the Jacquard loom weaves flowers and leaves."
    )
    mail = render(
        Draft(
            Delivery(ID, ID, ID, ID, "<1@chirp.example>", True, NOW, NOW),
            Recipient(ID, EmailSettings(retweets=True), "ada", "ada@example.com", None, NOW),
            [ReportedTweet(Tweet(ID, ID, text), ["grace", "joan"], 43)],
            1,
            ["grace", "joan"],
            43,
        )
    )
    return asyncio.run(mail).html


def take(html: str, picture: Path, *options: str) -> None:
    chromium = os.environ.get("CHROMIUM", "chromium")
    with tempfile.TemporaryDirectory() as directory:
        page = Path(directory) / "mail.html"
        page.write_text(html)
        quiet = (
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
            *(
                "--disable-component-update",
                "--disable-sync",
                "--no-first-run",
                "--hide-scrollbars",
            ),
        )
        subprocess.run(
            [
                *(chromium, *quiet, *options),
                *(f"--user-data-dir={directory}/profile", f"--screenshot={picture}"),
                *("--window-size=720,440", "--force-device-scale-factor=2", page.as_uri()),
            ],
            check=True,
            stderr=subprocess.DEVNULL,
        )


def main() -> None:
    html = mail()
    take(html, HERE / "mail-light.png")
    take(html, HERE / "mail-dark.png", "--blink-settings=preferredColorScheme=0")


if __name__ == "__main__":
    sys.exit(main())
