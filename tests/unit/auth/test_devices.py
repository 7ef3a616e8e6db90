"""Tokens of devices that have signed in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from subgraphs.auth.devices import HmacDeviceTokens
from tests.unit.auth.fake_accounts import ADA

SECRET = "a secret of thirty-two characters"
DEVICE = UUID(int=7)
TOKENS = HmacDeviceTokens(SECRET)
TOKEN = TOKENS.issue(ADA, DEVICE)


class TestHmacDeviceTokens:
    def test_token_names_its_device_for_its_user(self) -> None:
        assert TOKENS.device(TOKEN, ADA) == DEVICE

    def test_token_is_void_for_another_user_and_without_one(self) -> None:
        assert TOKENS.device(TOKEN, replace(ADA, id=UUID(int=2))) is None
        assert TOKENS.device(TOKEN, None) is None

    def test_token_is_void_after_a_new_password(self) -> None:
        now = datetime.now(UTC)
        changed = replace(ADA, password_changed_at=now)
        token = TOKENS.issue(changed, DEVICE)
        assert TOKENS.device(TOKEN, changed) is None
        assert TOKENS.device(token, changed) == DEVICE
        later = replace(ADA, password_changed_at=now + timedelta(microseconds=1))
        assert TOKENS.device(token, later) is None

    def test_token_of_another_secret_is_void(self) -> None:
        assert HmacDeviceTokens(SECRET[::-1]).device(TOKEN, ADA) is None

    @pytest.mark.parametrize("position", range(0, 64, 7))
    def test_changed_token_is_void(self, position: int) -> None:
        other = "A" if TOKEN[position] != "A" else "B"
        assert TOKENS.device(TOKEN[:position] + other + TOKEN[position + 1 :], ADA) is None

    @pytest.mark.parametrize("token", ["", "x", TOKEN[:-4], TOKEN + TOKEN, "é" * 64])
    def test_text_that_is_no_token_is_void(self, token: str) -> None:
        assert TOKENS.device(token, ADA) is None

    def test_token_is_safe_in_a_url_and_in_json(self) -> None:
        assert len(TOKEN) == 64
        assert set(TOKEN) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
