"""The text of mails, compared with the files in `mails/`.

After an intended change run `UPDATE_MAILS=1 python -m pytest tests/unit/notifier/test_rendering.py`
and review the diff.
"""

import asyncio
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from uuid import UUID

import pytest

from chassis.text import count_characters
from notifier.domain import Delivery, Draft, EmailSettings, Mail, Recipient, ReportedTweet, Tweet
from notifier.rendering import list_retweeters
from tests.unit.notifier.fakes import ADA, retweet_mails

MAILS = Path(__file__).with_name("mails")
NOW = datetime(2026, 11, 1, tzinfo=UTC)
TEXT = 'One line,\nand <b>another</b> & "more".\n\nhttps://example.com/?a=1&b=2'


def draft(names: Sequence[str] = ("grace",), number: int = 1, text: str = TEXT) -> Draft:
    tweet = Tweet(UUID(int=7), ADA.id, text)
    return Draft(
        Delivery(UUID(int=1), UUID(int=2), ADA.id, tweet.id, "<1@x>", False, NOW, NOW),
        Recipient(ADA.id, EmailSettings(True), "ada", "ada@example.com", None, NOW),
        [ReportedTweet(tweet, names, number)],
        1,
        names,
        number,
    )


def tweet_of(day: int) -> UUID:
    """Return an id that was made on a day of October 2026."""
    milliseconds = int(datetime(2026, 10, day, 12, tzinfo=UTC).timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 8 << 76 | 2 << 62 | 7)


def digest_of_tweets(shown: int, tweets: int) -> Draft:
    reported = [
        ReportedTweet(
            Tweet(tweet_of(20 + n), ADA.id, f"Tweet {n}"), ["grace", "joan"][: 2 - n % 2], 2 - n % 2
        )
        for n in range(shown)
    ]
    return replace(draft(("grace", "joan"), 43), reported=reported, tweets=tweets)


def rendered(draft: Draft) -> Mail:
    return asyncio.run(retweet_mails()(draft))


class ParsedHtml(HTMLParser):
    """The text, the tags and the links of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]

    def handle_data(self, data: str) -> None:
        self.text += data


class TestCommittedMails:
    @pytest.mark.parametrize(
        ("name", "of"),
        [
            ("single", draft()),
            ("digest", draft(("grace", "joan"), 43, "Hello 👋")),
            ("tweets", digest_of_tweets(2, 5)),
        ],
    )
    @pytest.mark.parametrize("part", ["txt", "html"])
    def test_mail_equals_the_committed_file(self, name: str, of: Draft, part: str) -> None:
        mail = rendered(of)
        text = mail.text if part == "txt" else mail.html
        file = MAILS / f"{name}.{part}"
        if os.environ.get("UPDATE_MAILS"):
            file.write_text(text)
        assert text == file.read_text()

    def test_subject_names_retweeters_and_counts(self) -> None:
        assert rendered(draft()).subject == "grace retweeted your tweet"
        digest = rendered(draft(("grace", "joan"), 43))
        assert digest.subject == "grace, joan and 41 others retweeted your tweet"
        tweets = rendered(digest_of_tweets(2, 5))
        assert tweets.subject == "grace, joan and 41 others retweeted 5 of your tweets"


class TestHtml:
    def test_tweet_and_names_are_escaped(self) -> None:
        evil = '<script>alert(1)</script><img src=x onerror="a()"> {{ 7 * 7 }} &amp; "quoted"'
        page = ParsedHtml(rendered(draft(("<i>eve</i>",), 1, evil)).html)
        assert not {"script", "img", "i"} & set(page.tags)
        assert evil in page.text
        assert "<i>eve</i> retweeted" in page.text

    def test_html_loads_nothing(self) -> None:
        """Images may be blocked, and the sender must not learn that a mail was opened."""
        mail = rendered(draft())
        page = ParsedHtml(mail.html)
        assert set(page.links) == {
            f"https://chirp.example/tweets/{UUID(int=7)}",
            mail.unsubscribe_url,
        }
        assert "url(" not in mail.html

    def test_each_line_has_the_direction_of_its_script(self) -> None:
        html = rendered(draft(text="مرحبا\nHello\nאבג")).html
        for line in ("مرحبا", "Hello", "אבג"):
            assert f'<div dir="auto">{line}</div>' in html

    def test_preview_has_the_direction_of_its_script(self) -> None:
        assert re.search(
            r'<div dir="auto" style="display:none[^>]*>“مرحبا”', rendered(draft(text="مرحبا")).html
        )

    def test_each_tweet_of_a_digest_has_a_link(self) -> None:
        mail = rendered(digest_of_tweets(3, 3))
        links = [f"https://chirp.example/tweets/{tweet_of(20 + n)}" for n in range(3)]
        assert set(ParsedHtml(mail.html).links) == {*links, mail.unsubscribe_url}
        assert all(link in mail.text for link in links)
        assert "more of your tweets" not in mail.text + mail.html

    def test_digest_has_the_date_and_the_count_of_each_tweet(self) -> None:
        mail = rendered(digest_of_tweets(2, 2))
        for part in (mail.text, ParsedHtml(mail.html).text):
            assert "Tweeted on 20 October 2026. 2 retweets, by grace and joan." in part
            assert "Tweeted on 21 October 2026. 1 retweet, by grace." in part

    def test_digest_of_one_tweet_has_its_count(self) -> None:
        mail = rendered(draft(("grace", "joan"), 43))
        for part in (mail.text, ParsedHtml(mail.html).text):
            assert "43 retweets, by grace, joan and 41 others." in part

    def test_html_and_text_have_the_same_content(self) -> None:
        mail = rendered(draft())
        for part in ("grace retweeted your", "One line,", "another", "ada, you get this mail"):
            assert part in mail.text
            assert part in " ".join(ParsedHtml(mail.html).text.split())
        assert mail.unsubscribe_url
        assert mail.unsubscribe_url in mail.text

    def test_html_supports_dark_mode(self) -> None:
        html = rendered(draft()).html
        assert '<meta name="color-scheme" content="light dark">' in html
        assert "prefers-color-scheme: dark" in html


class TestPreview:
    @staticmethod
    def preview(text: str) -> str:
        found = re.search(r"mso-hide:all;\">“(.*?)”</div>", rendered(draft(text=text)).html)
        assert found
        return unescape(found[1])

    @pytest.mark.parametrize("cluster", ["👨‍👩‍👧‍👦", "🇺🇦", "e\u0301\u0323", "नि", "👍🏽"])
    def test_preview_is_cut_between_grapheme_clusters(self, cluster: str) -> None:
        preview = self.preview(cluster * 200)
        assert preview == f"{cluster * 119}…"
        assert count_characters(preview) == 120

    def test_short_preview_is_not_cut(self) -> None:
        assert self.preview("🇺🇦" * 120) == "🇺🇦" * 120

    def test_preview_is_one_line(self) -> None:
        assert self.preview("one\n\ntwo  three") == "one two three"


class TestText:
    def test_text_is_not_escaped(self) -> None:
        assert '> and <b>another</b> & "more".' in rendered(draft()).text

    def test_recipient_without_a_name_is_addressed_without_one(self) -> None:
        recipient = draft().recipient
        assert recipient
        nameless = replace(draft(), recipient=replace(recipient, username=None))
        assert "You get this mail because" in rendered(nameless).text


class TestListRetweeters:
    @pytest.mark.parametrize(
        ("names", "number", "expected"),
        [
            (["grace"], 1, "grace"),
            (["grace", "joan"], 2, "grace and joan"),
            (["grace", "joan"], 3, "grace, joan and 1 other"),
            (["grace", "joan"], 43, "grace, joan and 41 others"),
        ],
    )
    def test_two_names_and_a_count_of_others(
        self, names: list[str], number: int, expected: str
    ) -> None:
        assert list_retweeters(names, number) == expected
