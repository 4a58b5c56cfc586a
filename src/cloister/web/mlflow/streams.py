"""Files between the event loop and a thread: a few blocks at a time, whatever their size."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from queue import SimpleQueue

from starlette.types import Receive, Send

from cloister.web.limits import Limits, Quota, Spent
from cloister.web.mlflow.endpoint import Streamed
from cloister.web.mlflow.errors import Refusal

BLOCK_BYTES = 1 << 20
"""As long as a frame of a sealed object, so that it is sealed without a copy."""
_AHEAD = 4
_PATIENCE_S = 300.0


class ClientGone(Exception):
    """Nobody waits for the answer."""


class Incoming:
    """A request's body on its way to the thread that iterates over it, once.

    What goes wrong on the way is raised there: Refusal for a body that is too long or too
    slow, ClientGone for half of one.
    """

    def __init__(self, receive: Receive, limits: Limits, quota: Quota | None = None) -> None:
        self._receive = receive
        self._quota = quota or Quota(None)
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._blocks: SimpleQueue[bytes | BaseException | None] = SimpleQueue()
        self._room = asyncio.Semaphore(_AHEAD)
        self.is_read = False

    def __iter__(self) -> Iterator[bytes]:
        while True:
            block = self._blocks.get()
            if block is None:
                return
            if isinstance(block, BaseException):
                raise block
            self._loop.call_soon_threadsafe(self._room.release)
            yield block

    async def fetch(self) -> None:
        """Takes in all of it, at the pace of the thread; cancelled when that wants no more."""
        try:
            await self._fetch()
        except (ClientGone, Refusal, Spent) as error:
            self._blocks.put(error)
        except TimeoutError:
            self._blocks.put(Refusal("BAD_REQUEST", "the file did not arrive in time", 408))
        except asyncio.CancelledError:
            self._blocks.put(ClientGone())
            raise
        else:
            self._blocks.put(None)

    async def _fetch(self) -> None:
        block, size_bytes, waited_s = bytearray(), 0, 0.0
        while True:
            began_s = time.monotonic()
            async with asyncio.timeout(self._limits.body_timeout_s):
                message = await self._receive()
            waited_s += time.monotonic() - began_s  # not the time that sealing takes
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk = message.get("body", b"")
            size_bytes += len(chunk)
            self._quota.take(len(chunk))
            self._check(size_bytes, waited_s)
            block += chunk
            if len(block) >= BLOCK_BYTES:
                await self._put(bytes(block))
                block.clear()
            if not message.get("more_body", False):
                self.is_read = True
                await self._put(bytes(block))
                return

    def _check(self, size_bytes: int, waited_s: float) -> None:
        if size_bytes > self._limits.artifact_bytes:
            said = "the file is larger than this server takes"
            raise Refusal("INVALID_PARAMETER_VALUE", said, 413)
        patience_s = self._limits.body_timeout_s
        if waited_s > patience_s and size_bytes < waited_s * self._limits.slowest_bytes_s:
            raise TimeoutError

    async def _put(self, block: bytes) -> None:
        if block:
            await self._room.acquire()
            self._blocks.put(block)


async def pour(streamed: Streamed, receive: Receive, send: Send, executor: Executor) -> None:
    """Sends ``streamed``; ends early where the client goes, or takes nothing for minutes.

    An answer that breaks off is shorter than was announced, which clients notice. Raises what
    making it raises.
    """
    loop = asyncio.get_running_loop()
    gone = asyncio.ensure_future(_gone(receive))
    try:
        await send(_start(streamed.size_bytes))
        following = loop.run_in_executor(executor, next, streamed.chunks, None)
        try:
            while (chunk := await following) is not None:
                following = loop.run_in_executor(executor, next, streamed.chunks, None)
                if gone.done():
                    return
                async with asyncio.timeout(_PATIENCE_S):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        finally:
            await asyncio.wait([following])
        await send({"type": "http.response.body", "body": b""})
    except TimeoutError:
        return
    finally:
        gone.cancel()
        await loop.run_in_executor(executor, streamed.chunks.close)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _start(size_bytes: int) -> dict[str, object]:
    headers = [
        (b"content-type", b"application/octet-stream"),
        (b"content-disposition", b"attachment"),
        (b"content-length", str(size_bytes).encode()),
    ]
    return {"type": "http.response.start", "status": 200, "headers": headers}
