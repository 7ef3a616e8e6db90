"""Key rings, the steps of a rotation, the file with the keys, and the commands that change it."""

import argparse
import asyncio
import io
import json
import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import jwt
import pytest
from structlog.testing import capture_logs

from chassis.settings import SettingsError
from subgraphs.auth import key_file, keys_cli
from subgraphs.auth.keys import KeyRing, RingKey, SigningKey, Step, TooEarlyError, Use, Waits

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
WAITS = Waits(spread=timedelta(minutes=10), tokens=timedelta(minutes=16))
RING = KeyRing.of(SigningKey.generate(), NOW)


def uses(ring: KeyRing) -> dict[str, str]:
    return {key.key.id: str(key.use) for key in ring.keys}


class TestKeyRing:
    def test_serialized_ring_is_parsed_to_the_same_keys(self) -> None:
        ring = RING.rotated(NOW, WAITS)
        parsed = KeyRing.parse(ring.serialize())
        assert uses(parsed) == uses(ring)
        assert [key.since for key in parsed.keys] == [NOW, NOW]
        assert parsed.serialize() == ring.serialize()

    def test_single_key_as_openssl_makes_it_is_a_ring(self) -> None:
        key = SigningKey.generate()
        ring = KeyRing.parse(key.serialize() + "\n")
        assert uses(ring) == {key.id: "signing"}
        assert ring.next_step() is Step.ADD

    @pytest.mark.asvs("9.1.3")
    def test_jwks_holds_only_the_public_halves(self) -> None:
        ring = RING.rotated(NOW, WAITS)
        jwks = ring.jwks()["keys"]
        assert [jwk["kid"] for jwk in jwks] == [key.key.id for key in ring.keys]
        for jwk in jwks:
            assert set(jwk) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
        token = jwt.encode({"aud": "a"}, RING.signing.private, "ES256")
        assert jwt.decode(token, jwt.PyJWK(jwks[0]), algorithms=["ES256"], audience="a")

    @pytest.mark.parametrize(
        "text",
        [
            "",
            ",",
            "nonsense",
            "AAAA",
            "{",
            "{}",
            "[]",
            '{"keys": []}',
            '{"keys": [1]}',
            '{"keys": [{"use": "signing", "since": "2026-11-01T12:00:00Z", "key": "AAAA"}]}',
            RING.serialize().replace("+00:00", ""),
            RING.serialize().replace("signing", "next"),
            RING.serialize().replace("signing", "other"),
            RING.serialize().replace("keys", "key"),
            json.dumps({"keys": json.loads(RING.serialize())["keys"] * 2}),
        ],
    )
    def test_text_that_is_no_ring_is_refused_without_naming_a_key(self, text: str) -> None:
        with pytest.raises(ValueError, match=r".+") as refused:
            KeyRing.parse(text)
        assert RING.signing.serialize() not in str(refused.value)

    def test_key_twice_is_refused(self) -> None:
        key = SigningKey.generate()
        with pytest.raises(ValueError, match="twice"):
            KeyRing([RingKey(key, Use.SIGNING, NOW), RingKey(key, Use.NEXT, NOW)])

    def test_representation_hides_the_keys(self) -> None:
        assert "private" not in repr(RING)


class TestRotation:
    def test_three_steps_replace_the_key(self) -> None:
        old = RING.signing.id
        added = RING.rotated(NOW, WAITS)
        (new,) = uses(added).keys() - {old}
        assert uses(added) == {old: "signing", new: "next"}
        promoted = added.rotated(NOW + WAITS.spread, WAITS)
        assert uses(promoted) == {old: "retired", new: "signing"}
        removed = promoted.rotated(NOW + 2 * WAITS.spread + WAITS.tokens, WAITS)
        assert uses(removed) == {new: "signing"}
        assert [ring.next_step() for ring in (RING, added, promoted, removed)] == [
            Step.ADD,
            Step.PROMOTE,
            Step.REMOVE,
            Step.ADD,
        ]

    def test_promotion_before_every_process_has_the_key_is_refused(self) -> None:
        added = RING.rotated(NOW, WAITS)
        with pytest.raises(TooEarlyError) as refused:
            added.rotated(NOW + WAITS.spread - SECOND, WAITS)
        assert refused.value.due == NOW + WAITS.spread

    def test_removal_before_the_last_token_has_expired_is_refused(self) -> None:
        promotion = NOW + WAITS.spread
        promoted = RING.rotated(NOW, WAITS).rotated(promotion, WAITS)
        due = promotion + WAITS.spread + WAITS.tokens
        with pytest.raises(TooEarlyError) as refused:
            promoted.rotated(due - SECOND, WAITS)
        assert refused.value.due == due
        assert "remove" in str(refused.value)

    def test_times_survive_the_file(self) -> None:
        added = KeyRing.parse(RING.rotated(NOW, WAITS).serialize())
        assert added.due(WAITS) == NOW + WAITS.spread


# -- the file --------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "keys"
    key_file.write(file, RING)
    return file


class TestFile:
    def test_written_ring_is_read(self, path: Path) -> None:
        assert key_file.read(path).serialize() == RING.serialize()
        assert stat.S_IMODE(path.stat().st_mode) == 0o640

    def test_write_replaces_the_file_and_leaves_no_other(self, path: Path) -> None:
        before = path.stat().st_ino
        key_file.write(path, RING.rotated(NOW, WAITS))
        assert path.stat().st_ino != before
        assert [file.name for file in path.parent.iterdir()] == ["keys"]

    def test_failed_write_leaves_the_file_as_it_was(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            key_file.write(path, RING.rotated(NOW, WAITS))
        assert key_file.read(path).serialize() == RING.serialize()
        assert [file.name for file in path.parent.iterdir()] == ["keys"]

    def test_missing_and_broken_files_are_named_without_their_content(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="keys cannot be read: No such file"):
            key_file.read(tmp_path / "keys")
        secret = RING.signing.serialize()
        (tmp_path / "keys").write_text(f"{{{secret}")
        with pytest.raises(ValueError, match="keys holds no key ring: not JSON") as refused:
            key_file.read(tmp_path / "keys")
        assert secret not in str(refused.value)
        (tmp_path / "keys").write_bytes(b"\xff\xfe")
        with pytest.raises(ValueError, match="keys is not text"):
            key_file.read(tmp_path / "keys")


def replace(path: Path, text: str) -> None:
    new = path.with_name("new")
    new.write_text(text)
    new.replace(path)


def mtime(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_atime_ns, found.st_mtime_ns


class Follower:
    """`follow` in the background, and what it has reported."""

    def __init__(self, path: Path) -> None:
        self.rings: list[KeyRing] = []
        self.readable: list[bool] = []
        self._path = path

    async def __aenter__(self) -> Self:
        ring = key_file.read(self._path)
        self._task = asyncio.create_task(
            key_file.follow(
                self._path, ring, self.rings.append, record=self.readable.append, poll=0.001
            )
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.001)

    async def readings(self, count: int = 3) -> None:
        """Wait for some more readings."""
        wanted = len(self.readable) + count
        await self.until(lambda: len(self.readable) >= wanted)


class TestFollow:
    async def test_changed_file_is_taken_up_once(self, path: Path) -> None:
        added = RING.rotated(NOW, WAITS)
        async with Follower(path) as follower:
            await follower.readings()
            assert follower.rings == []
            key_file.write(path, added)
            await follower.until(lambda: bool(follower.rings))
            await follower.readings()
        assert [uses(ring) for ring in follower.rings] == [uses(added)]

    async def test_content_decides_and_not_the_time_of_the_file(self, path: Path) -> None:
        times = mtime(path)
        async with Follower(path) as follower:
            key_file.write(path, RING.rotated(NOW, WAITS))
            os.utime(path, ns=times)
            await follower.until(lambda: len(follower.rings) == 1)
            os.utime(path)
            await follower.readings()
        assert len(follower.rings) == 1

    async def test_link_that_kubernetes_replaces_is_followed(self, tmp_path: Path) -> None:
        # keys -> ..data/keys, ..data -> ..first, as the kubelet lays a Secret out.
        for name, ring in (("..first", RING), ("..second", RING.rotated(NOW, WAITS))):
            (tmp_path / name).mkdir()
            key_file.write(tmp_path / name / "keys", ring)
        (tmp_path / "..data").symlink_to("..first")
        (tmp_path / "keys").symlink_to("..data/keys")
        async with Follower(tmp_path / "keys") as follower:
            (tmp_path / "..new").symlink_to("..second")
            (tmp_path / "..new").rename(tmp_path / "..data")
            await follower.until(lambda: bool(follower.rings))
        assert len(follower.rings[0].keys) == 2

    async def test_unreadable_file_is_reported_once_and_keeps_the_ring(self, path: Path) -> None:
        with capture_logs() as logs:
            async with Follower(path) as follower:
                replace(path, RING.serialize()[:-20])
                await follower.until(lambda: len(logs) == 1)
                await follower.readings()
                assert not any(follower.readable[1:])
                replace(path, "")
                await follower.until(lambda: len(logs) == 2)
                replace(path, RING.serialize())
                await follower.until(lambda: follower.readable[-1])
        assert follower.rings == []
        assert [log["event"] for log in logs] == ["signing keys unreadable"] * 2
        assert {log["log_level"] for log in logs} == {"error"}
        assert RING.signing.serialize()[:40] not in str(logs)

    async def test_log_of_a_change_names_ids_only(self, path: Path) -> None:
        added = RING.rotated(NOW, WAITS)
        with capture_logs() as logs:
            async with Follower(path) as follower:
                key_file.write(path, added)
                await follower.until(lambda: bool(logs))
        assert logs == [
            {
                "event": "signing keys changed",
                "log_level": "info",
                "signing": RING.signing.id,
                "keys": uses(added),
            }
        ]


# -- the commands ----------------------------------------------------------------------------------


class Commands:
    """Runs `keys …` at a time that a test chooses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NOW
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(keys_cli, "_now", lambda: self.now)
        monkeypatch.setattr("subgraphs.auth.keys_cli.time.sleep", self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def run(self, *arguments: str, typed: str = "") -> None:
        self._monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        parser = argparse.ArgumentParser()
        keys_cli.add_commands(parser.add_subparsers())
        parsed = parser.parse_args(arguments)
        parsed.run(parsed)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, path: Path) -> Commands:
    monkeypatch.setenv("AUTH_SIGNING_KEYS_FILE", str(path))
    monkeypatch.setenv("AUTH_SIGNING_KEYS_WAIT_SECONDS", "600")
    monkeypatch.setenv("AUTH_ACCESS_TOKEN_SECONDS", "900")
    return Commands(monkeypatch)


class TestCommands:
    def test_init_makes_a_file_and_leaves_an_existing_one(
        self, commands: Commands, path: Path
    ) -> None:
        before = path.read_text()
        commands.run("init")
        assert path.read_text() == before
        other = path.with_name("other")
        commands.run("init", str(other))
        assert key_file.read(other).next_step() is Step.ADD

    def test_rotate_takes_one_step_and_refuses_to_skip_its_wait(
        self, commands: Commands, path: Path
    ) -> None:
        commands.run("rotate")
        added = path.read_text()
        assert len(key_file.read(path).keys) == 2
        commands.now += timedelta(seconds=599)
        with pytest.raises(SystemExit, match="promote, is due at 2026-11-01 12:10:00 UTC"):
            commands.run("rotate")
        assert path.read_text() == added
        commands.now += SECOND
        commands.run("rotate")
        commands.now += timedelta(seconds=600 + 900 + 59)
        with pytest.raises(SystemExit, match="remove, is due"):
            commands.run("rotate")
        commands.now += SECOND
        commands.run("rotate")
        (key,) = key_file.read(path).keys
        assert key.key.id != RING.signing.id

    def test_rotate_with_wait_takes_all_three_steps(
        self, commands: Commands, path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        commands.run("rotate", "--wait")
        assert commands.now - NOW == timedelta(seconds=600 + 600 + 960)
        (key,) = key_file.read(path).keys
        assert key.key.id != RING.signing.id
        said = capsys.readouterr().err
        assert [word for word in ("done: add", "done: promote", "done: remove") if word in said]
        assert said.count("done: ") == 3

    def test_rotate_with_wait_continues_what_was_begun(
        self, commands: Commands, path: Path
    ) -> None:
        commands.run("rotate")
        commands.run("rotate", "--wait")
        assert len(key_file.read(path).keys) == 1
        assert commands.now - NOW == timedelta(seconds=600 + 600 + 960)

    def test_rotate_reads_and_writes_a_pipe(
        self, commands: Commands, capsys: pytest.CaptureFixture[str]
    ) -> None:
        commands.run("rotate", "-", typed=RING.serialize())
        printed = capsys.readouterr()
        assert len(KeyRing.parse(printed.out).keys) == 2
        assert "done: add. Next: promote, due 2026-11-01T12:10:00+00:00" in printed.err

    def test_list_names_no_private_key(
        self, commands: Commands, capsys: pytest.CaptureFixture[str]
    ) -> None:
        commands.run("rotate")
        capsys.readouterr()
        commands.run("list")
        printed = capsys.readouterr().out.splitlines()
        assert printed[0] == f"{RING.signing.id} signing since 2026-11-01T12:00:00+00:00"
        assert printed[2] == "next step: promote, due 2026-11-01T12:10:00+00:00"
        assert RING.signing.serialize() not in str(printed)

    def test_replace_leaves_one_new_key(self, commands: Commands, path: Path) -> None:
        commands.run("rotate")
        commands.run("replace")
        (key,) = key_file.read(path).keys
        assert key.key.id != RING.signing.id

    def test_broken_file_changes_nothing(self, commands: Commands, path: Path) -> None:
        path.write_text("broken")
        for command in ("rotate", "list"):
            with pytest.raises(SystemExit, match="holds no key ring"):
                commands.run(command)
        assert path.read_text() == "broken"

    def test_folder_that_cannot_be_written_is_named(self, commands: Commands, path: Path) -> None:
        with pytest.raises(SystemExit, match="missing/keys cannot be written: No such file"):
            commands.run("init", str(path.with_name("missing") / "keys"))

    def test_missing_setting_is_named(
        self, commands: Commands, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AUTH_SIGNING_KEYS_FILE")
        with pytest.raises(SettingsError, match="AUTH_SIGNING_KEYS_FILE is missing"):
            commands.run("list")
