"""The recording of a terminal keeps what is left on the screen."""

import json

import pytest

from docs.img.terminal import Recording, Shown


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("one\r\ntwo\r\n", "one\ntwo\n"),
        ("10 %\r50 %\r100 %\r\n", "100 %\n"),
        ("long line\rshort\x1b[K\r\n", "short\n"),
        ("\x1b[32mok\x1b[0m\r\n", "ok\n"),
        ("a: …\r\nb: …\r\n\x1b[2Aa: 1 s\r\nb: 2 s\r\n", "a: 1 s\nb: 2 s\n"),
        ("kept\r\ngone\r\ngone\r\n\x1b[2A\x1b[Jnew\r\n", "kept\nnew\n"),
        ("\x1b]0;title\x07text\r\n", "text\n"),
    ],
)
def test_text_is_what_a_terminal_shows(output: str, text: str) -> None:
    shown = Shown()
    shown.write(output)
    assert shown.text == text


def test_cast_has_a_header_and_an_event_for_each_output() -> None:
    recording = Recording()
    recording.add("$ make up\r\n")
    header, event = map(json.loads, recording.cast().splitlines())
    assert header["version"] == 2
    assert event[1:] == ["o", "$ make up\r\n"]
