"""A real browser without a window, driven over a pipe (Chrome DevTools Protocol)."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from cloister.serving.tls import ServerIdentity, tls_context
from cloister.workflows.lab import Lab

FOUND = shutil.which("chromium") or shutil.which("chromium-browser")


class Chromium:
    """One page; messages are JSON, each ended by a zero byte."""

    def __init__(self, write: int, read: int) -> None:
        self._write = write
        self._read = os.fdopen(read, "rb", buffering=0)
        self._rest = b""
        self._number = 0
        self._session: str | None = None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "WebAuthn"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> Any:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return answer.get("result", {})

    def close(self) -> None:
        self._read.close()

    def _message(self) -> Any:
        while b"\0" not in self._rest:
            piece = self._read.read(1 << 16)
            assert piece, "the browser has ended"
            self._rest += piece
        text, _, self._rest = self._rest.partition(b"\0")
        return json.loads(text)

    def run(self, script: str) -> Any:
        """What ``script`` gives, in the page."""
        found = self.ask("Runtime.evaluate", expression=script, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def go(self, address: str) -> None:
        self.ask("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def until(self, script: str, longest_s: float = 60.0) -> None:
        """Waits until ``script`` is true in the page, whichever page that is by then."""
        end = time.monotonic() + longest_s
        while time.monotonic() < end:
            found = self.ask("Runtime.evaluate", expression=script)
            if found["result"].get("value") is True:
                return
            time.sleep(0.1)
        raise AssertionError(f"never: {script}; at {self.run('location.href')}")

    def click(self, selector: str) -> None:
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def fill(self, name: str, value: str) -> None:
        field = f"document.querySelector('[name={name}]')"
        self.run(f"{field}.value = {json.dumps(value)}")

    def look(self, file: Path, width: int, height: int, *, dark: bool = False) -> None:
        """A picture of the page."""
        scheme = "dark" if dark else "light"
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.ask("Emulation.setEmulatedMedia", features=features)
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        made = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(made["data"]))


@contextmanager
def chromium() -> Iterator[Chromium]:
    """A browser with nothing in its profile."""
    assert FOUND is not None
    to_browser, ours_out = os.pipe()
    ours_in, from_browser = os.pipe()
    profile = tempfile.mkdtemp(prefix="cl-chromium-")
    words = [
        *(FOUND, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"),
        *("--ignore-certificate-errors", "--disable-dev-shm-usage", "--disable-extensions"),
        *("--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"),
    ]
    # bash, not sh: dash knows descriptors of one digit alone
    shell = f'exec 3<&{to_browser} 4>&{from_browser}; exec "$@"'
    process = subprocess.Popen(
        ["bash", "-c", shell, "bash", *words],
        pass_fds=(to_browser, from_browser),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"HOME": profile, "PATH": os.environ["PATH"]},
    )
    os.close(to_browser)
    os.close(from_browser)
    try:
        page = Chromium(ours_out, ours_in)
        yield page
        page.close()
    finally:
        process.kill()
        process.wait()
        os.close(ours_out)
        shutil.rmtree(profile, ignore_errors=True)


@contextmanager
def served(app: ASGIApp, lab: Lab) -> Iterator[int]:
    """``app`` over HTTPS on localhost, at the port that is given."""
    made = lab.keys.server_certificate(["localhost", "127.0.0.1"], lifetime_days=1)
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="off", ws="none")
    config.load()
    config.ssl = tls_context(ServerIdentity(made.chain_pem, made.key_pem))
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
