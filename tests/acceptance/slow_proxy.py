"""A way through to PostgreSQL's socket that can be cut: TCP on one side, the Unix socket on the other. A program, told what to do on stdin.

    pass    let everything through (how it begins)
    hold    let nothing through, and say nothing: who waits for an answer goes on waiting
    cut     reset all that is connected, and whoever connects

It prints its port, and then each order once it is carried out.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from contextlib import suppress

BYTES = 1 << 16
RESET = struct.pack("ii", 1, 0)  # SO_LINGER, not at all: closing resets


class Way:
    """All that goes through."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._passes = asyncio.Event()
        self._resets = False
        self._ends: set[asyncio.StreamWriter] = set()

    def order(self, word: str) -> None:
        """Do as told from now on."""
        self._resets = word == "cut"
        (self._passes.clear if word == "hold" else self._passes.set)()
        for end in self._ends if self._resets else ():
            _reset(end)

    async def join(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        """Carry what comes from one side to the other, until either ends."""
        await self._passes.wait()
        if self._resets:
            _reset(client)
            return
        with suppress(OSError):
            answers, server = await asyncio.open_unix_connection(self._target)
            ends = {client, server}
            self._ends |= ends
            await asyncio.gather(self._pump(reader, server), self._pump(answers, client))
            self._ends -= ends

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(BYTES):
                await self._passes.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


def _reset(end: asyncio.StreamWriter) -> None:
    found = end.get_extra_info("socket")
    if found.family == socket.AF_INET:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    end.transport.abort()


async def main(address: str, target: str) -> None:
    """Serve at `address`, on any port, until stdin ends."""
    way = Way(target)
    way.order("pass")
    server = await asyncio.start_server(way.join, address, 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while word := (await asyncio.to_thread(sys.stdin.readline)).strip():
        way.order(word)
        print(word, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
