"""A file on its way out: a few blocks at a time, whatever its size."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from urllib.parse import quote

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cloister.web.console.calls import Download

_PATIENCE_S = 300.0
_SHOWN = "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; sandbox"
"""For a file that is shown: nothing in it runs, nor asks anything of anybody."""


class Pouring(Response):
    """A download, a few blocks at a time; ends early where nobody takes it any more."""

    def __init__(self, download: Download, first: bytes | None, streams: Executor) -> None:
        how = "inline" if download.inline else "attachment"
        headers = {
            "content-disposition": f"{how}; filename*=UTF-8''{quote(download.name, safe='')}",
            "content-security-policy": _SHOWN,
        }
        super().__init__(None, 200, headers, download.kind)
        del self.headers["content-length"]
        if download.size_bytes is not None:
            self.headers["content-length"] = str(download.size_bytes)
        self._chunks = download.chunks
        self._first = first
        self._streams = streams

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        chunks, chunk = self._chunks, self._first
        gone = asyncio.ensure_future(_gone(receive))
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        try:
            await send(start)
            while chunk is not None and not gone.done():
                async with asyncio.timeout(_PATIENCE_S):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                chunk = await loop.run_in_executor(self._streams, next, chunks, None)
            if chunk is None:
                await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            return
        finally:
            gone.cancel()
            await loop.run_in_executor(self._streams, chunks.close)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
