"""Starting the key service: once, wherever it is, whatever was left lying about."""

from __future__ import annotations

import os
import secrets
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cloister.core.clock import SystemClock
from cloister.core.errors import Conflict, KeyServiceDown, Locked, NotAllowed, WrongPassphrase
from cloister.core.ids import LabId, RunId
from cloister.keys import KeyClient, launch
from cloister.keys.create import create_keys
from cloister.keys.launch import KeyPlace
from cloister.testing.keyd import PASSPHRASE, kill, make_keys


def test_new_lab_is_made_and_its_kit_opens_it(keys_folder: Path, socket_path: Path) -> None:
    lab = LabId.new(secrets.token_bytes)
    place = KeyPlace(socket_path, socket_path.with_name("owner.lease"), keys_folder)
    client, kit = create_keys(place, lab, PASSPHRASE, SystemClock())
    try:
        status = client.status()
        assert (status.state, status.lab, status.epoch) == ("open", lab, 1)
        assert status.development_seal
        run = client.new_owner(RunId)
        with pytest.raises(Conflict):
            client.create(lab, PASSPHRASE)
        client.lock()
        launch.unlock_with_recovery(client, kit.code, "another passphrase")
        assert client.identities([]) == []
        assert client.new_owner(RunId) != run
        with pytest.raises(WrongPassphrase):
            client.unlock(PASSPHRASE)
    finally:
        kill(client)


def test_folders_are_closed_to_others(keyd: KeyClient, keys_folder: Path) -> None:
    for folder in (keys_folder, keyd.socket_path.parent):
        assert folder.stat().st_mode & 0o777 == 0o700
        for path in folder.iterdir():
            assert path.stat().st_mode & 0o077 == 0, path


def test_second_start_finds_the_first(keyd: KeyClient, keys_folder: Path) -> None:
    with launch.start_keyd(keys_folder, keyd.socket_path) as again:
        assert again.status().pid == keyd.status().pid
        assert again.new_owner(RunId)  # under the lease kept beside the socket


def test_many_starts_at_once_end_with_one_service(keys_folder: Path, socket_path: Path) -> None:
    make_keys(keys_folder)
    found: list[int] = []

    def start() -> None:
        with launch.start_keyd(keys_folder, socket_path) as client:
            found.append(client.status().pid)

    threads = [threading.Thread(target=start) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kill(launch.connect(socket_path))
    assert len(found) == 5
    assert len(set(found)) == 1


def test_killed_service_starts_again_locked_over_its_stale_socket(
    keyd: KeyClient, keys_folder: Path
) -> None:
    run = keyd.new_owner(RunId)
    os.kill(keyd.status().pid, signal.SIGKILL)
    until_gone(keyd)
    assert keyd.socket_path.exists()
    with launch.start_keyd(keys_folder, keyd.socket_path) as again:
        assert again.status().state == "locked"
        with pytest.raises(Locked):
            again.new_owner(RunId)
        launch.unlock(again, PASSPHRASE)
        assert again.identities([]) == []
        assert again.open([]) == []
        assert again.erase([run]).destroyed == 1  # what was acknowledged was durable
        kill(again)


def test_idle_process_is_small(keyd: KeyClient) -> None:
    status = Path(f"/proc/{keyd.status().pid}/status").read_text()
    assert int(status.split("VmRSS:")[1].split()[0]) < 60_000  # KiB


def test_service_outlives_whoever_started_it(keyd: KeyClient) -> None:
    pid = keyd.status().pid
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    parent, session = int(stat[1]), int(stat[3])
    assert parent != os.getpid()
    assert session != os.getsid(0)


def test_stop_ends_the_process_and_removes_the_socket(keyd: KeyClient) -> None:
    with KeyClient(keyd.socket_path) as stranger, pytest.raises(NotAllowed):
        stranger.stop()
    keyd.stop()
    until_gone(keyd)
    until(lambda: not keyd.socket_path.exists())
    with pytest.raises(KeyServiceDown):
        keyd.status()


def test_terminated_service_ends_in_good_order(keyd: KeyClient) -> None:
    os.kill(keyd.status().pid, signal.SIGTERM)
    until_gone(keyd)
    until(lambda: not keyd.socket_path.exists())


def test_locked_service_can_be_stopped_without_a_lease(
    keys_folder: Path, socket_path: Path
) -> None:
    make_keys(keys_folder)
    with launch.start_keyd(keys_folder, socket_path) as client:
        client.stop()
        until_gone(client)


def test_absent_service_is_said_to_be_down(socket_path: Path) -> None:
    with KeyClient(socket_path) as client, pytest.raises(KeyServiceDown):
        client.status()
    assert not launch.answers(KeyClient(socket_path))


def test_open_runtime_folder_is_refused(keys_folder: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(KeyServiceDown, match="mode 0700"):
        launch.start_keyd(keys_folder, shared / "keyd.sock")


def test_file_in_the_sockets_place_is_left_alone(keys_folder: Path, socket_path: Path) -> None:
    make_keys(keys_folder)
    socket_path.parent.mkdir(mode=0o700)
    socket_path.write_text("somebody's notes")
    with pytest.raises(KeyServiceDown, match="no socket"):
        launch.start_keyd(keys_folder, socket_path)
    assert socket_path.read_text() == "somebody's notes"


def test_damaged_lease_file_is_as_none(keyd: KeyClient) -> None:
    keyd.socket_path.with_name("owner.lease").write_bytes(b"\x93\xff")
    assert launch.read_lease(keyd.lease_path) is None


def test_many_threads_share_one_client(keyd: KeyClient) -> None:
    runs: list[RunId] = []
    threads = [
        threading.Thread(target=lambda: runs.extend(keyd.new_owner(RunId) for _ in range(20)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(runs)) == 160
    assert keyd.open([]) == []


def test_forked_child_uses_streams_of_its_own(keyd: KeyClient) -> None:
    keyd.status()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if all(keyd.new_owner(RunId) for _ in range(50)) else 1
        finally:
            os._exit(status)
    assert all(keyd.new_owner(RunId) for _ in range(50))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def until_gone(client: KeyClient) -> None:
    """Waits for the service behind a client to end."""
    until(lambda: not launch.answers(client))
    client.close()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
