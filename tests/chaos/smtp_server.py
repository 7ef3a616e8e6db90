"""An SMTP server with random faults that records on disk the mails it has accepted.

`python -m tests.chaos.smtp_server PORT FOLDER`. While FOLDER/faults exists, some transactions fail.
FOLDER/accepted gets a line for each accepted mail: its Message-ID, and "answered" if the client got
an answer or "dropped" if the connection was dropped before it.
"""

import asyncio
import os
import random
import sys
from email import message_from_bytes
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

FAULT_RATE = 0.25
"""The share of transactions that fail while faults are on."""

FAULTS = {"451": 3, "550": 2, "hang": 1, "drop": 3, "accept and drop": 2}
"""The faults and their relative frequencies."""


class Handler:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._accepted = (folder / "accepted").open("a")

    async def handle_DATA(self, server: SMTP, _: Session, envelope: Envelope) -> str:  # noqa: N802
        fault = None
        if (self._folder / "faults").exists() and random.random() < FAULT_RATE:
            fault = random.choices(list(FAULTS), list(FAULTS.values()))[0]
        if fault == "451":
            return "451 4.3.0 Not now"
        if fault == "550":
            return "550 5.7.1 Never"
        if fault == "hang":
            await asyncio.sleep(30)
            return "451 4.3.0 Too late"
        if fault == "drop":
            return await self._drop(server)
        content = envelope.content
        assert isinstance(content, bytes)
        answer = "dropped" if fault else "answered"
        self._accepted.write(f"{message_from_bytes(content)['message-id'].strip()} {answer}\n")
        self._accepted.flush()
        # The record must survive a kill once the mail is accepted.
        os.fsync(self._accepted.fileno())
        return await self._drop(server) if fault else "250 OK"

    @staticmethod
    async def _drop(server: SMTP) -> str:
        transport = server.transport
        assert isinstance(transport, asyncio.Transport)
        transport.abort()
        return "421 4.3.2 Gone"


async def main(port: int, folder: Path) -> None:
    handler = Handler(folder)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="sink.localhost"), "127.0.0.1", port
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
