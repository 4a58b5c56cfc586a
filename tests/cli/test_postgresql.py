"""A lab whose ledger and tables are on a PostgreSQL server."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator

import pytest

from cloister.testing.onnx_models import linear
from tests.attacks.killing import wait_until
from tests.conftest import Shell, new_shell, write_scans
from tests.databases import uri_of_lab
from tests.faults.postgres import PostgresServer, postgres_server

RULES = ("--subject-pattern", "^(P[0-9]+)/")


@pytest.fixture
def served(postgres: PostgresServer) -> Iterator[Shell]:
    """A lab on a server, and 12 files of 4 patients in it."""
    with new_shell(postgres) as shell:
        shell("init")
        write_scans(shell.folder / "scans")
        shell("add", "scans", *RULES)
        yield shell


def test_the_main_job_leaves_no_database_in_the_folder(served: Shell) -> None:
    shell = served
    (shell.folder / "seed.onnx").write_bytes(linear())
    shell("run", "--", "sh", "-c", "cp seed.onnx model.onnx; ls scans", "scans")
    shell("run", "--", "sh", "-c", "cat scans/P000/0.txt > seen.txt", "scans")
    assert "IDENTICAL" in shell("reproduce", "last").stdout
    assert len(shell.json("trace", "P001")["versions"]) == 1
    shell("erase", "P001", "--reason", "consent withdrawn", "--yes")
    shell("doctor", "--scrub", status=None)
    audited = shell.json("audit")
    assert audited["whole"], audited
    assert audited["rows"] > 40
    assert not list((shell.home / "cloister-lab").glob("lab.db*"))
    settings = (shell.home / "cloister-lab/cloister.toml").read_text()
    assert 'database = "postgresql://lab@/lab?' in settings
    # Nothing of a patient is on the server, erased or not.
    assert shell.server is not None
    dump = shell.server.dump(uri_of_lab(shell.home / "cloister-lab"))
    assert "ledger_leaf" in dump
    for known in ("P001", "P002", "patient 1 scan", "0.txt", "scans"):
        assert known not in dump
        assert known.encode().hex() not in dump


def test_a_lab_moves_to_a_server_by_its_backup_and_back_again(
    scans: Shell, postgres: PostgresServer
) -> None:
    shell = scans
    before = shell.json("ls", "data1")
    shell("backup", "init", "../second")
    shell("backup", "run")
    (shell.home / "cloister-lab").rename(shell.home / "away")
    uri = postgres.new_schema()
    moved = shell("restore", "../second", "--to", "../home/cloister-lab", "--database", uri)
    assert uri in moved.stdout
    assert shell.json("audit")["whole"]
    assert shell.json("ls", "data1") == before
    write_scans(shell.folder / "more", 2)
    shell("add", "more", *RULES)
    shell("backup", "run")
    assert (
        "two of one lab"
        in shell(
            "restore", "../second", "--to", "../home/other", "--database", uri, status=2
        ).stderr
    )
    (shell.home / "cloister-lab").rename(shell.home / "server")
    (shell.home / "elsewhere").mkdir()
    refused = shell(
        "restore", "../second", "--to", "../home/elsewhere", "--database", uri, status=2
    )
    assert "holds a lab" in refused.stderr
    shell("restore", "../second", "--to", "../home/cloister-lab")
    assert (shell.home / "cloister-lab/lab.db").exists()
    assert shell.json("audit")["whole"]
    assert len(shell.json("ls")) == 2


def test_disasters_are_rehearsed_and_copies_read(served: Shell) -> None:
    shell = served
    shell("backup", "init", "../second")
    shell("backup", "run")
    done = json.loads(
        shell("--json", "drill", "--scenario", "disk-loss", "--scenario", "process-kill").stdout
    )
    assert [one["outcome"] for one in done] == ["passed", "passed"], done
    shell("restore", "../second", "--to", "../copy", "--copy-only")
    assert "12 of 12 read back" in shell("readback", "../copy").stdout
    served_copy = shell.server.new_schema()  # type: ignore[union-attr]
    shell("restore", "../second", "--to", "../copy2", "--copy-only", "--database", served_copy)
    assert "12 of 12 read back" in shell("readback", "../copy2").stdout
    assert shell.json("audit")["whole"]


def schema_of(shell: Shell) -> str:
    settings = (shell.home / "cloister-lab/cloister.toml").read_text()
    return settings.partition("schema=")[2].partition('"')[0]


def test_two_labs_share_a_server_and_never_a_schema(served: Shell) -> None:
    settings = (served.home / "cloister-lab/cloister.toml").read_text()
    [uri] = [line.split('"')[1] for line in settings.splitlines() if "database" in line]
    refused = served("init", "../home/second", "--database", uri, status=2)
    assert "holds a lab" in refused.stderr
    served("init", "../home/second", "--database", uri.partition("&schema")[0] + "&schema=two")
    assert served.json("audit")["whole"]
    assert served.json("--lab", str(served.home / "second"), "audit")["whole"]


def test_a_wrong_uri_is_refused_before_anything_is_made(shell: Shell) -> None:
    for uri, says in (
        ("mysql://x/y", "postgresql://"),
        ("sqlite:/tmp/x.db", "postgresql://"),
        ("postgresql://lab:secret@db/lab", "password"),
        ("postgresql://lab@db.example/lab?sslmode=require", "verify-full"),
    ):
        refused = shell("init", "--database", uri, status=2)
        assert says in refused.stderr
        assert "secret" not in refused.stderr + refused.stdout
    assert not (shell.home / "cloister-lab").exists()
    down = shell("init", "--database", "postgresql://lab@/lab?host=/nowhere", status=9)
    assert "cannot be reached" in down.stderr
    shell("init")  # the folder was left fit for another try


def test_an_init_that_was_killed_is_taken_up_again(
    shell: Shell, postgres: PostgresServer
) -> None:
    uri = postgres.new_schema()
    schema = uri.partition("schema=")[2]
    process = shell.start("init", "--database", uri)
    made = f"SELECT COUNT(*) FROM pg_tables WHERE schemaname = '{schema}'"
    wait_until(lambda: int(postgres.psql(made, database="lab")) > 0)
    process.kill()
    process.communicate()
    if not (shell.home / "cloister-lab/cloister.toml").exists():
        shell("lock", "--stop", status=None)
        shell("init", "--database", uri)
    assert shell.json("audit")["whole"]


@pytest.fixture
def fragile() -> Iterator[tuple[Shell, PostgresServer]]:
    """A lab on a server of its own, which may be stopped."""
    with postgres_server() as server, new_shell(server) as shell:
        shell("init")
        write_scans(shell.folder / "scans")
        shell("add", "scans", *RULES)
        yield shell, server
        if server.process is None:
            server.start()


def test_a_server_gone_in_the_middle_of_a_run_is_waited_for(
    fragile: tuple[Shell, PostgresServer],
) -> None:
    shell, server = fragile
    schema = schema_of(shell)
    script = "sleep 3; wc -c scans/*/* > out.txt"
    process = shell.start("run", "--", "sh", "-c", script, "scans")
    begun = f"SELECT COUNT(*) FROM {schema}.run"
    wait_until(lambda: int(server.psql(begun, database="lab")) > 0)
    server.kill()
    time.sleep(4.0)  # the job ends while there is no server
    server.start()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, (out, err)
    assert shell.json("audit")["whole"]
    assert shell.json("ls", "--runs")[0]["state"] == "finished"


def test_a_server_that_is_down_is_said_so_and_nothing_is_lost(
    fragile: tuple[Shell, PostgresServer],
) -> None:
    shell, server = fragile
    server.stop(signal.SIGQUIT)
    for words in (("ls",), ("add", "scans", *RULES), ("audit",), ("trace", "P001")):
        said = shell(*words, status=9).stderr
        assert "E700" in said
        assert "cannot be reached" in said
    doctor = shell("doctor", status=None).stdout
    assert "BROKEN  database" in doctor
    assert "cannot be reached" in doctor
    server.start()
    assert shell.json("audit")["whole"]
