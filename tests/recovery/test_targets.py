"""Every kind of backup target keeps the promises of the seam; a second box is a real sshd."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloister.core.clock import SystemClock
from cloister.core.errors import BadInput, DurabilityLost, NotFound
from cloister.recovery.ssh import Box, SshTarget
from cloister.recovery.target import Target, folder_of, new_target, normalised, open_target
from cloister.store import FileBackend
from cloister.testing.backend import MemoryBackend
from cloister.testing.target_suite import TargetSuite
from tests.recovery.second_box import SecondBox


class TestFolder(TargetSuite):
    def make(self, folder: Path) -> Target:
        return FileBackend.open(folder, SystemClock())


class TestMemory(TargetSuite):
    def make(self, folder: Path) -> Target:
        return _MADE.setdefault(folder, MemoryBackend())


_MADE: dict[Path, MemoryBackend] = {}


class TestSecondBox(TargetSuite):
    @pytest.fixture(autouse=True)
    def _reach(self, box: SecondBox, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", box.search_path)

    def make(self, folder: Path) -> Target:
        return SshTarget(Box.parse(f"ssh:second:{folder}"))


def test_a_connection_that_ends_is_told_and_nothing_half_written_is_seen(
    box: SecondBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", box.search_path)
    target = SshTarget(Box.parse(box.uri(tmp_path / "far")))
    assert target.put_if_absent("a", [b"x"])
    (connection,) = target._idle  # the next put takes it

    def dying() -> Iterator[bytes]:
        yield b"x" * (1 << 20)
        os.kill(connection._process.pid, signal.SIGKILL)
        yield b"y" * (4 << 20)

    with pytest.raises(DurabilityLost):
        target.put_if_absent("b", dying())
    assert list(target.list("")) == ["a"]
    assert target.put_if_absent("b", [b"z"])


@pytest.mark.parametrize(
    "uri",
    ["ssh:-oProxyCommand=x:/x", "ssh::/x", "ssh:box", "ssh:box:x", "ssh://box:q/x", "s3:x"],
)
def test_what_is_no_target_is_refused(uri: str) -> None:
    with pytest.raises(BadInput):
        normalised(uri)


def test_a_path_means_a_folder(tmp_path: Path) -> None:
    assert normalised("/mnt/x") == "file:/mnt/x"
    assert normalised("file:/mnt/x") == "file:/mnt/x"
    assert folder_of("ssh:box:/x") is None
    assert Box.parse("ssh://ada@box:2222/x") == Box("ada@box", 2222, "/x")
    assert Box.parse("ssh:ada@box:/x") == Box("ada@box", None, "/x")
    with pytest.raises(NotFound):
        open_target(f"file:{tmp_path}")
    with pytest.raises(NotFound):
        new_target(f"file:{tmp_path}/no/where")
