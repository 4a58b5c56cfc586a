"""What a job changes in its folder is captured, and the folder itself stays as it was."""

from __future__ import annotations

import pytest

from tests.fence.benches import Bench


def test_added_changed_and_removed_are_told_apart(bench: Bench) -> None:
    bench.write("keep", "edit", "drop")
    done = bench.run("sh", "-c", "echo new > edit; rm drop; mkdir out; echo y > out/made")
    assert done.paths == {"drop": "removed", "edit": "changed", "out/made": "added"}
    assert ["edit", "changed", None, "new\n"] in done.changes
    assert (bench.workdir / "edit").read_text() == "old edit"
    assert {path.name for path in bench.workdir.iterdir()} == {"keep", "edit", "drop"}


def test_files_that_were_only_opened_are_no_changes(bench: Bench) -> None:
    bench.write("a", "b")
    assert bench.run("sh", "-c", ": >> a; touch b; chmod 600 b; chmod 644 b").changes == []


def test_same_size_other_bytes_with_the_old_time_is_a_change(bench: Bench) -> None:
    bench.write("a")
    code = "touch -r a /tmp/t; printf 'new a' > a; touch -r /tmp/t a"
    assert bench.run("sh", "-c", code).paths == {"a": "changed"}


def test_other_mode_is_a_change(bench: Bench) -> None:
    bench.write("a")
    assert bench.run("chmod", "700", "a").paths == {"a": "changed"}


def test_removed_folder_lists_each_of_its_files(bench: Bench) -> None:
    bench.write("d/a", "d/e/b", "c")
    done = bench.run("rm", "-r", "d")
    assert done.paths == {"d/a": "removed", "d/e/b": "removed"}


def test_folder_made_anew_hides_what_it_held(bench: Bench) -> None:
    bench.write("d/a", "d/b")
    done = bench.run("sh", "-c", "rm -r d; mkdir d; echo new > d/b; echo z > d/z")
    assert done.paths == {"d/a": "removed", "d/b": "changed", "d/z": "added"}


def test_moved_folder_is_removed_here_and_added_there(bench: Bench) -> None:
    bench.write("d/a")
    assert bench.run("mv", "d", "e").paths == {"d/a": "removed", "e/a": "added"}


def test_file_and_folder_can_take_each_others_place(bench: Bench) -> None:
    bench.write("was-file", "was-folder/x")
    code = "rm -r *; mkdir was-file; echo 1 > was-file/y; echo 2 > was-folder"
    done = bench.run("sh", "-c", code)
    kinds = [(path, kind) for path, kind, _, _ in done.changes]
    assert kinds == [
        ("was-file", "removed"),
        ("was-file/y", "added"),
        ("was-folder/x", "removed"),
        ("was-folder", "added"),
    ]


def test_links_are_told_and_never_followed(bench: Bench) -> None:
    done = bench.run("ln", "-s", "/etc/shadow", "leak")
    assert done.changes == [["leak", "added", "/etc/shadow", None]]


def test_link_to_a_folder_of_the_host_is_not_entered(bench: Bench) -> None:
    bench.write("secret", into=bench.folder / "private")
    done = bench.run("ln", "-s", str(bench.folder / "private"), "way")
    assert done.paths == {"way": "added"}


def test_pipes_and_sockets_are_left_out_with_a_note(bench: Bench) -> None:
    code = "import socket, os; os.mkfifo('p'); socket.socket(socket.AF_UNIX).bind('s')"
    done = bench.code(code)
    assert done.changes == []
    assert done.left_out == [[name, "neither file nor link"] for name in "ps"]
    assert "left out, neither file nor link: 2" in done.notes


def test_files_the_job_closed_to_itself_are_captured(bench: Bench) -> None:
    done = bench.run(
        "sh", "-c", "mkdir d; echo x > d/f; chmod 000 d/f d; echo y > g; chmod 0 g"
    )
    assert done.paths == {"d/f": "added", "g": "added"}


def test_sparse_file_beyond_the_space_is_left_out(bench: Bench) -> None:
    done = bench.run("truncate", "-s", "1T", "huge", scratch_bytes=1 << 24)
    assert done.changes == []
    assert done.left_out == [["huge", "larger than all the space it had"]]


def test_folders_nested_without_end_do_not_exhaust_the_runner(bench: Bench) -> None:
    code = (
        "import os\n"
        "for n in range(3000):\n"
        "    os.mkdir('d'); os.chdir('d')\n"
        "open('f', 'w').close()\n"
    )
    done = bench.code(code)
    assert done.exit_status == 0, done.errors
    assert done.changes == []
    assert done.left_out[0][1] == "nested too deeply"


def test_full_space_is_an_error_inside_and_a_note_outside(bench: Bench) -> None:
    done = bench.run("sh", "-c", "head -c 9000000 /dev/zero > big", scratch_bytes=1 << 22)
    assert done.exit_status != 0
    assert "No space left on device" in done.errors
    assert any("ENOSPC" in note for note in done.notes)


def test_large_output_is_captured_whole(bench: Bench) -> None:
    done = bench.run("sh", "-c", "head -c 30000000 /dev/zero > big")
    assert done.paths == {"big": "added"}


def test_private_folders_are_not_captured(bench: Bench) -> None:
    done = bench.run("sh", "-c", "echo x > $HOME/a; echo x > /tmp/b; echo x > /dev/shm/c")
    assert (done.exit_status, done.changes) == (0, [])


@pytest.mark.parametrize("name", ["odd\nname", "-rf", " ", "a,b:c\\d", "ü", "x" * 255])
def test_odd_names_come_through(bench: Bench, name: str) -> None:
    bench.write(name)
    done = bench.run("sh", "-c", 'cat "./$1"; echo now > "./$1"', "sh", name)
    assert done.output == f"old {name}"
    assert done.changes == [[name, "changed", None, "now\n"]]


@pytest.mark.parametrize("name", ["a,b", "c:d", "e\\f", "g h", "i\nj"])
def test_working_folder_may_have_any_name(bench: Bench, name: str) -> None:
    folder = bench.workdir / name
    folder.mkdir()
    folder.chmod(0o777)
    done = bench.run("sh", "-c", "pwd; echo x > y", workdir=str(folder))
    assert done.output == f"{folder}\n"
    assert done.paths == {"y": "added"}
