"""The codes in account mails."""

import base64

import pytest

from subgraphs.auth.codes import HmacCodes

CODES = HmacCodes("a secret of thirty-two characters")


class TestHmacCodes:
    @pytest.mark.asvs("6.4.1", "6.5.3")
    def test_seeds_are_256_random_bits(self) -> None:
        seeds = {CODES.seed() for _ in range(100)}
        assert len(seeds) == 100
        assert {len(seed) for seed in seeds} == {32}

    @pytest.mark.asvs("6.5.2")
    def test_code_of_a_link_has_256_bits_and_follows_from_seed_and_secret(self) -> None:
        seed = CODES.seed()
        code = CODES.code(seed)
        assert len(base64.urlsafe_b64decode(code + "=")) == 32
        assert code == CODES.code(seed)
        assert code not in {CODES.code(CODES.seed()), HmacCodes("another secret").code(seed)}

    @pytest.mark.asvs("6.5.4")
    def test_short_code_has_8_digits_and_every_one_is_possible(self) -> None:
        codes = {CODES.short_code(n.to_bytes(32)) for n in range(2_000)}
        assert {len(code) for code in codes} == {8}
        for place in range(8):
            assert {code[place] for code in codes} == set("0123456789")
        assert len(codes) > 1_990

    @pytest.mark.asvs("6.5.2")
    def test_short_code_follows_from_the_secret_and_not_from_the_link(self) -> None:
        seed = CODES.seed()
        assert CODES.short_code(seed) == CODES.short_code(seed)
        assert CODES.short_code(seed) != CODES.short_code(CODES.code(seed).encode())
        others = {HmacCodes(f"secret {n}").short_code(seed) for n in range(100)}
        assert len(others) > 95
