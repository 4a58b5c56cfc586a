"""Claim: a lab on a PostgreSQL server gives other users of that server nothing, tells nobody
a password, acknowledges nothing that the server may forget, and its audit finds what the
server's administrator changed.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cloister.core.errors import BadInput, NotAllowed
from cloister.db import open_database
from cloister.testing.database_suite import WORDS, add, words
from tests.conftest import Shell, new_shell, write_scans
from tests.faults.postgres import PostgresServer, postgres_server, programs

RULES = ("--subject-pattern", "^(P[0-9]+)/")


@pytest.fixture(scope="module")
def lab(postgres: PostgresServer) -> Iterator[Shell]:
    """A lab on a server, read by this module's tests and put right after each."""
    with new_shell(postgres) as shell:
        shell("init")
        write_scans(shell.folder / "scans")
        shell("add", "scans", *RULES)
        yield shell


@pytest.fixture
def schema(lab: Shell) -> str:
    settings = (lab.home / "cloister-lab/cloister.toml").read_text()
    return settings.partition("schema=")[2].partition('"')[0]


def refused(server: PostgresServer, sql: str, user: str) -> str:
    """What the server answers that user."""
    done = subprocess.run(
        [programs() / "psql", "-XAtq", "-h", server.folder, "-U", user, "-d", "lab", "-c", sql],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0, done.stdout
    return done.stderr


def test_another_user_of_the_server_sees_nothing(
    lab: Shell, schema: str, postgres: PostgresServer
) -> None:
    postgres.psql("CREATE ROLE colleague LOGIN")
    assert "permission denied for database" in refused(postgres, "SELECT 1", "colleague")
    # Let in by mistake, they still read no table.
    postgres.psql("GRANT CONNECT ON DATABASE lab TO colleague")
    for table in ("ledger_leaf", "record", "person", "commit_mark"):
        said = refused(postgres, f"SELECT * FROM {schema}.{table}", "colleague")
        assert "permission denied for schema" in said
    assert "permission denied" in refused(
        postgres, f"CREATE TABLE {schema}.mine (x INT)", "colleague"
    )


def test_doctor_names_whoever_was_given_a_right(
    lab: Shell, schema: str, postgres: PostgresServer
) -> None:
    assert "has rights on" not in lab("doctor", status=None).stdout
    postgres.psql("CREATE ROLE analyst LOGIN")
    grant = (
        f"GRANT USAGE ON SCHEMA {schema} TO analyst; GRANT SELECT ON {schema}.run TO analyst"
    )
    postgres.psql(grant, database="lab")
    said = lab("doctor", status=6).stdout
    assert "analyst has rights on the lab's tables" in said
    postgres.psql(
        f"REVOKE ALL ON {schema}.run FROM analyst; REVOKE ALL ON SCHEMA {schema} FROM analyst",
        database="lab",
    )
    assert "has rights on" not in lab("doctor", status=None).stdout


@pytest.mark.parametrize(
    ("change", "undo", "found"),
    [
        (
            "UPDATE {s}.version SET records = records + 1",
            "UPDATE {s}.version SET records = records - 1",
            "the row is altered in records",
        ),
        (
            "INSERT INTO {s}.tag VALUES ('data1', 'paper', 1)",
            "DELETE FROM {s}.tag",
            "the row is there without an event",
        ),
        (
            "CREATE TABLE {s}.kept AS SELECT * FROM {s}.record; DELETE FROM {s}.record",
            "INSERT INTO {s}.record SELECT * FROM {s}.kept; DROP TABLE {s}.kept",
            "the row is missing",
        ),
        (
            "UPDATE {s}.ledger_leaf SET leaf = leaf || '\\x00'::bytea WHERE position = 1",
            "UPDATE {s}.ledger_leaf SET leaf = substr(leaf, 1, length(leaf) - 1)"
            " WHERE position = 1",
            "entry 1 is altered",
        ),
        (
            "CREATE INDEX mine ON {s}.record (size)",
            "DROP INDEX {s}.mine",
            "index mine is in the database, and no migration made it",
        ),
        (
            "DROP INDEX {s}.record_subject",
            "CREATE INDEX record_subject ON {s}.record (subject)",
            "index record_subject is missing",
        ),
        (
            "ALTER TABLE {s}.person DROP CONSTRAINT person_os_uid_key",
            "ALTER TABLE {s}.person ADD CONSTRAINT person_os_uid_key UNIQUE (os_uid)",
            "table person is not as its migration made it",
        ),
        (
            "CREATE FUNCTION {s}.f() RETURNS trigger LANGUAGE plpgsql"
            " AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER quiet BEFORE INSERT ON {s}.read"
            " FOR EACH ROW EXECUTE FUNCTION {s}.f()",
            "DROP TRIGGER quiet ON {s}.read; DROP FUNCTION {s}.f",
            "trigger quiet is in the database",
        ),
        (
            "CREATE RULE quiet AS ON INSERT TO {s}.erasure DO INSTEAD NOTHING",
            "DROP RULE quiet ON {s}.erasure",
            "rule quiet is in the database",
        ),
    ],
    ids=["row", "new row", "no rows", "entry", "index", "no index", "set", "trigger", "rule"],
)
def test_what_the_administrator_changed_is_found(
    lab: Shell, schema: str, postgres: PostgresServer, change: str, undo: str, found: str
) -> None:
    postgres.psql(change.format(s=schema), database="lab")
    try:
        assert found in lab("audit", status=6).stdout
    finally:
        postgres.psql(undo.format(s=schema), database="lab")
    assert lab.json("audit")["whole"]


def test_a_temporary_table_hides_none_of_the_labs(postgres: PostgresServer) -> None:
    database = open_database(postgres.uri("shadow"), (WORDS,))
    database.write(add("true"))
    database.write(lambda tx: tx.execute("CREATE TEMPORARY TABLE word (id INT, text TEXT)"))
    database.write(lambda tx: tx.execute("INSERT INTO word (id, text) VALUES (9, 'a')"))
    assert words(database) == ["true", "a"]
    database.close()


def test_a_policy_that_hides_rows_is_an_error_and_no_empty_answer(
    postgres: PostgresServer,
) -> None:
    uri = postgres.uri("hidden")
    database = open_database(uri, (WORDS,))
    database.write(add("a"))
    postgres.psql(
        "ALTER TABLE hidden.word ENABLE ROW LEVEL SECURITY;"
        "ALTER TABLE hidden.word FORCE ROW LEVEL SECURITY",
        database="lab",
    )
    with pytest.raises(NotAllowed):
        words(database)
    database.close()


def test_no_password_is_told_on_a_way_that_is_not_known_to_be_the_servers() -> None:
    for way in ("", "?sslmode=prefer", "?sslmode=require", "?sslmode=verify-ca"):
        uri = f"postgresql://lab@db.hospital/lab{way}"
        if way:
            with pytest.raises(BadInput, match="verify-full"):
                open_database(uri, (WORDS,))


class Authority:
    """A certificate authority, for the length of a test."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ward CA")])
        self.certificate = self._issue(self._name, self._key.public_key(), is_authority=True)

    def issue(self, host: str) -> tuple[bytes, bytes]:
        """A server's certificate and its key, PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        return self._issue(name, key.public_key(), host=host), key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def _issue(
        self,
        name: x509.Name,
        key: ec.EllipticCurvePublicKey,
        *,
        is_authority: bool = False,
        host: str | None = None,
    ) -> bytes:
        now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=3650))
            .not_valid_after(now + dt.timedelta(days=36500))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        )
        if host is not None:
            names: list[x509.GeneralName] = [x509.DNSName(host)]
            if host == "localhost":
                names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        made = builder.sign(self._key, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM)


def test_over_the_network_the_server_must_be_the_one_it_says_it_is(tmp_path: Path) -> None:
    authority, impostor = Authority(), Authority()
    root = tmp_path / "ca.pem"
    root.write_bytes(authority.certificate)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    uri = f"postgresql://lab@localhost:{port}/lab?sslmode=verify-full&sslrootcert={root}"
    with postgres_server() as server:
        for issuer, host, accepted in (
            (authority, "localhost", True),
            (authority, "other.hospital", False),
            (impostor, "localhost", False),
        ):
            certificate, key = issuer.issue(host)
            server.stop()
            _install(server.folder / "data", certificate, key)
            server.start(listen_addresses="localhost", port=port, ssl="on")
            if accepted:
                database = open_database(uri, (WORDS,))
                database.write(add("a"))
                [(used,)] = database.write(
                    lambda tx: tx.query(
                        "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
                    )
                )
                assert used.startswith("TLS")
                database.close()
            else:
                with pytest.raises(NotAllowed, match="lets nobody in"):
                    open_database(uri, (WORDS,))


def _install(data: Path, certificate: bytes, key: bytes) -> None:
    owner = data.stat()
    for name, content in (("server.crt", certificate), ("server.key", key)):
        (data / name).write_bytes(content)
        (data / name).chmod(0o600)
        os.chown(data / name, owner.st_uid, owner.st_gid)
