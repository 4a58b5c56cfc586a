"""Messages arrive whole, or as an error that says so; anything may be on the other end."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.core.errors import (
    BadInput,
    CloisterError,
    Erased,
    KeyServiceDown,
    Tampered,
    WrongPassphrase,
)
from cloister.keys import wire

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.binary() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), VALUES))
def test_message_arrives_as_it_was_sent(message: dict[str, Any]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire.send(ours, message)
        assert wire.receive(theirs) == message


def test_text_with_lone_surrogates_arrives() -> None:
    """Local ids come from file names and foreign files."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire.send(ours, {"id": "p\udce9"})
        assert wire.receive(theirs) == {"id": "p\udce9"}


@given(st.binary(max_size=300))
def test_noise_is_refused_or_ends(noise: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(noise)
        ours.shutdown(socket.SHUT_WR)
        with contextlib.suppress(BadInput, wire.Hangup):
            assert isinstance(wire.receive(theirs), dict)


@pytest.mark.parametrize(
    "noise",
    [
        b"\xff\xff\xff\xff",  # 4 GiB announced
        b"\x00\x00\x00\x01\x90",  # an empty list, not a map
        b"\x00\x00\x00\x05\xdd\xff\xff\xff\xff",  # an array of 2^32 items in five bytes
        b"\x00\x00\x00\x02\x80\x80",  # two values
        b"\x00\x00\x00\x01\x80\x00",  # a second message before the reply
        (1 << 20).to_bytes(4, "big") + b"\x91" * (1 << 20),  # a million lists inside each other
    ],
)
def test_hostile_messages_are_refused(noise: bytes) -> None:
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    with ours, theirs:
        ours.settimeout(5)
        with contextlib.suppress(TimeoutError):
            ours.sendall(noise)
        with pytest.raises(BadInput):
            wire.receive(theirs)


def test_message_beyond_the_cap_is_not_sent() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(BadInput):
        wire.send(ours, {"blob": bytes(wire.LARGEST_MESSAGE)})


def test_stalled_message_is_given_up() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b"\x00\x00")
        with pytest.raises(TimeoutError):
            wire.receive(theirs, stall_s=0.05)


@pytest.mark.parametrize("kind", [Tampered, Erased, WrongPassphrase, CloisterError])
def test_error_arrives_as_its_own_kind(kind: type[CloisterError]) -> None:
    error = wire.raised(wire.failure(kind("what happened", hint="what to do")))
    assert type(error) is kind
    assert (error.message, error.hint) == ("what happened", "what to do")


def test_socket_paths_may_be_longer_than_the_kernel_takes(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 150)
    folder.mkdir()
    with (
        socket.socket(socket.AF_UNIX) as listener,
        socket.socket(socket.AF_UNIX) as client,
        wire.reachable(folder / "keyd.sock") as name,
    ):
        listener.bind(name)
        listener.listen()
        client.connect(name)


def test_missing_folder_means_no_key_service(tmp_path: Path) -> None:
    with pytest.raises(KeyServiceDown), wire.reachable(tmp_path / "no" / "keyd.sock"):
        pass
