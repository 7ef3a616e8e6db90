"""What mails say, against files beside this test.

After a deliberate change: `UPDATE_LETTERS=1 python -m pytest tests/unit/notifier/test_letters.py`,
and look at the difference.
"""

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
from notifier.domain import Delivery, Draft, EmailSettings, Mail, Recipient, Retweeted, Tweet
from notifier.rendering import retweeters
from tests.unit.notifier.fakes import ADA, letter_writer

LETTERS = Path(__file__).with_name("letters")
NOW = datetime(2026, 11, 1, tzinfo=UTC)
TEXT = 'One line,\nand <b>another</b> & "more".\n\nhttps://example.com/?a=1&b=2'


def draft(names: Sequence[str] = ("grace",), number: int = 1, text: str = TEXT) -> Draft:
    tweet = Tweet(UUID(int=7), ADA.id, text)
    return Draft(
        Delivery(UUID(int=1), UUID(int=2), ADA.id, tweet.id, "<1@x>", False, NOW, NOW),
        Recipient(ADA.id, EmailSettings(True), "ada", "ada@example.com"),
        [Retweeted(tweet, names, number)],
        1,
        names,
        number,
    )


def digest_of_tweets(shown: int, tweets: int) -> Draft:
    retweeted = [
        Retweeted(Tweet(UUID(int=7 + n), ADA.id, f"Tweet {n}"), ["grace", "joan"], 2)
        for n in range(shown)
    ]
    return replace(draft(("grace", "joan"), 43), retweeted=retweeted, tweets=tweets)


def written(draft: Draft) -> Mail:
    return letter_writer()(draft)


class Visible(HTMLParser):
    """The text and the links of a page, as a reader has them."""

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


class TestGolden:
    @pytest.mark.parametrize(
        ("name", "of"),
        [
            ("single", draft()),
            ("digest", draft(("grace", "joan"), 43, "Hello 👋")),
            ("tweets", digest_of_tweets(2, 5)),
        ],
    )
    @pytest.mark.parametrize("part", ["txt", "html"])
    def test_the_letter_is_the_one_that_was_approved(self, name: str, of: Draft, part: str) -> None:
        mail = written(of)
        text = mail.text if part == "txt" else mail.html
        file = LETTERS / f"{name}.{part}"
        if os.environ.get("UPDATE_LETTERS"):
            file.write_text(text)
        assert text == file.read_text()

    def test_the_subject_says_it_all(self) -> None:
        assert written(draft()).subject == "grace retweeted your tweet"
        digest = written(draft(("grace", "joan"), 43))
        assert digest.subject == "grace, joan and 41 others retweeted your tweet"
        tweets = written(digest_of_tweets(2, 5))
        assert tweets.subject == "grace, joan and 41 others retweeted 5 of your tweets"


class TestHtml:
    def test_nothing_of_a_tweet_is_markup(self) -> None:
        evil = '<script>alert(1)</script><img src=x onerror="a()"> {{ 7 * 7 }} &amp; "quoted"'
        page = Visible(written(draft(("<i>eve</i>",), 1, evil)).html)
        assert not {"script", "img", "i"} & set(page.tags)
        assert evil in page.text
        assert "<i>eve</i> retweeted" in page.text

    def test_it_loads_nothing(self) -> None:
        """Images may be off; and no one learns that a mail was opened."""
        mail = written(draft())
        page = Visible(mail.html)
        assert set(page.links) == {
            f"https://chirp.example/tweets/{UUID(int=7)}",
            mail.unsubscribe_url,
        }
        assert "url(" not in mail.html

    def test_each_line_of_a_tweet_has_the_direction_of_its_script(self) -> None:
        html = written(draft(text="مرحبا\nHello\nאבג")).html
        for line in ("مرحبا", "Hello", "אבג"):
            assert f'<div dir="auto">{line}</div>' in html

    def test_the_preview_has_the_direction_of_its_script(self) -> None:
        assert re.search(
            r'<div dir="auto" style="display:none[^>]*>“مرحبا”', written(draft(text="مرحبا")).html
        )

    def test_each_of_many_tweets_has_its_link(self) -> None:
        mail = written(digest_of_tweets(3, 3))
        links = [f"https://chirp.example/tweets/{UUID(int=7 + n)}" for n in range(3)]
        assert set(Visible(mail.html).links) == {*links, mail.unsubscribe_url}
        assert all(link in mail.text for link in links)
        assert "more of your tweets" not in mail.text + mail.html

    def test_it_says_what_the_text_says(self) -> None:
        mail = written(draft())
        for said in ("grace retweeted your", "One line,", "another", "ada, you get this because"):
            assert said in mail.text
            assert said in " ".join(Visible(mail.html).text.split())
        assert mail.unsubscribe_url in mail.text

    def test_it_knows_the_dark(self) -> None:
        html = written(draft()).html
        assert '<meta name="color-scheme" content="light dark">' in html
        assert "prefers-color-scheme: dark" in html


class TestPreview:
    @staticmethod
    def preview(text: str) -> str:
        found = re.search(r"mso-hide:all;\">“(.*?)”</div>", written(draft(text=text)).html)
        assert found
        return unescape(found[1])

    @pytest.mark.parametrize("cluster", ["👨‍👩‍👧‍👦", "🇺🇦", "e\u0301\u0323", "नि", "👍🏽"])
    def test_it_is_cut_between_characters_of_a_reader(self, cluster: str) -> None:
        preview = self.preview(cluster * 200)
        assert preview == f"{cluster * 119}…"
        assert count_characters(preview) == 120

    def test_a_short_tweet_is_not_cut(self) -> None:
        assert self.preview("🇺🇦" * 120) == "🇺🇦" * 120

    def test_it_is_one_line(self) -> None:
        assert self.preview("one\n\ntwo  three") == "one two three"


class TestText:
    def test_nothing_is_escaped(self) -> None:
        assert '> and <b>another</b> & "more".' in written(draft()).text

    def test_somebody_without_a_name_is_written_to(self) -> None:
        nameless = replace(draft(), recipient=Recipient(ADA.id, EmailSettings(True), None, "a@b.c"))
        assert "You get this because" in written(nameless).text


class TestRetweeters:
    @pytest.mark.parametrize(
        ("names", "number", "said"),
        [
            (["grace"], 1, "grace"),
            (["grace", "joan"], 2, "grace and joan"),
            (["grace", "joan"], 3, "grace, joan and 1 other"),
            (["grace", "joan"], 43, "grace, joan and 41 others"),
        ],
    )
    def test_two_are_named(self, names: list[str], number: int, said: str) -> None:
        assert retweeters(names, number) == said
