"""Encrypted connections for real: a door before the server that speaks TLS, with certificates of an authority made for the occasion.

The server itself has no TLS where it comes from a wheel; who has to be convinced is libpq, twice over: psycopg2's, and the one that reads
columns.
"""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from scorer.cli import main as cli
from scorer.config import Settings
from scorer.database.connection import Target
from scorer.database.embedded.server import Server
from scorer.database.session import Session, engine
from scorer.database.source.reader import Source
from scorer.errors import DatabaseUnavailable, UserError
from scorer.jobs.job import Job

HOST = "db.hospital.example"
SSL_REQUEST = (80877103).to_bytes(4, "big")
ENCRYPTION_REQUESTS = {SSL_REQUEST, (80877104).to_bytes(4, "big")}
PASSWORD = "Zwetschgen-Datschi-7"


@dataclass(frozen=True)
class Authority:
    """One that signs a server's certificate."""

    folder: Path

    @property
    def root(self) -> str:
        """Its own certificate, as libpq's URL wants it."""
        return quote(str(self.folder / "root.crt"))

    def context(self, host: str) -> ssl.SSLContext:
        """What a server called `host` speaks TLS with."""
        certificate, key = self.folder / f"{host}.crt", self.folder / f"{host}.key"
        self._openssl(f"req -new -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN={host} -keyout {key}")
        extensions = self.folder / f"{host}.txt"
        extensions.write_text(f"subjectAltName=DNS:{host}\n")
        request = self.folder / "request.pem"
        signing = f"-CA {self.folder / 'root.crt'} -CAkey {self.folder / 'root.key'} -CAcreateserial"
        self._openssl(f"x509 -req -days 2 -in {request} {signing} -extfile {extensions} -out {certificate}")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context

    def _openssl(self, arguments: str) -> None:
        output = ["-out", str(self.folder / "request.pem")] if arguments.startswith("req -new ") else []
        subprocess.run(["openssl", *arguments.split(), *output], check=True, capture_output=True)

    @classmethod
    def made_in(cls, folder: Path) -> Authority:
        """A new one."""
        folder.mkdir()
        made = f"-subj /CN=authority -keyout {folder / 'root.key'} -out {folder / 'root.crt'}"
        command = f"openssl req -x509 -days 2 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 {made}"
        subprocess.run(command.split(), check=True, capture_output=True)
        return cls(folder)


@dataclass
class Door:
    """Where connections come in, and how each of them spoke: "TLS" or "plaintext"."""

    socket: Path
    context: ssl.SSLContext | None
    port: int = 0
    spoken: list[str] = field(default_factory=list)
    close: Callable[[], object] = lambda: None

    async def serve(self, opened: Callable[[], None]) -> None:
        """Let connections in until closed."""
        closed, loop = asyncio.Event(), asyncio.get_running_loop()
        self.close = lambda: loop.call_soon_threadsafe(closed.set)
        server = await asyncio.start_server(self._enter, "0.0.0.0", 0)
        self.port = server.sockets[0].getsockname()[1]
        opened()
        async with server:
            await closed.wait()

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            async with _closing(writer):
                begun, how = await self._agree(reader, writer)
                self.spoken.append(how)
                inner_reader, inner_writer = await asyncio.open_unix_connection(str(self.socket))
                async with _closing(inner_writer):
                    inner_writer.write(begun)
                    await asyncio.gather(_pass_on(reader, inner_writer), _pass_on(inner_reader, writer))

    async def _agree(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[bytes, str]:
        """The first bytes for the server, and how they came."""
        how = "plaintext"
        while (begun := await reader.readexactly(8))[4:] in ENCRYPTION_REQUESTS:
            encrypts = self.context is not None and begun[4:] == SSL_REQUEST
            writer.write(b"S" if encrypts else b"N")
            if encrypts:
                await writer.start_tls(self.context)  # type: ignore[arg-type]
                how = "TLS"
        return begun, how


@asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


@contextmanager
def opened(server: Server, context: ssl.SSLContext | None) -> Iterator[Door]:
    """A door before the server, open within."""
    door, ready = Door(server.folder.resolve() / "socket" / ".s.PGSQL.5432", context), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(door.serve(ready.set)))
    thread.start()
    try:
        assert ready.wait(30)
        yield door
    finally:
        door.close()
        thread.join()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.made_in(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.made_in(tmp_path_factory.mktemp("tls") / "stranger")


@pytest.fixture(scope="module")
def doors(server: Server, authority: Authority) -> Iterator[tuple[Door, Door]]:
    """One that speaks TLS, and one that does not."""
    with opened(server, authority.context(HOST)) as encrypted, opened(server, None) as plain:
        yield encrypted, plain


@pytest.fixture
def encrypted(doors: tuple[Door, Door]) -> Door:
    doors[0].spoken.clear()
    return doors[0]


@pytest.fixture
def plain(doors: tuple[Door, Door]) -> Door:
    doors[1].spoken.clear()
    return doors[1]


def database_of(url: str) -> str:
    return url.split("?", maxsplit=1)[0].rsplit("/", maxsplit=1)[-1]


@pytest.fixture(scope="module")
def database(make_database: Callable[[str], str], template: str) -> str:
    """The name of one that is read only."""
    return database_of(make_database(template))


def ask_both(url: str, settings: Settings, job: Job) -> None:
    """Open a session of each kind, and use it."""
    with engine(Target.of(url, settings, role=None)).connect() as connection:
        assert connection.execute(sa.text("SELECT 1")).scalar() == 1
    with closing(Source(Target.of(url, settings, role=None))) as source:
        assert len(source.observations(job, ())) == 0


def failures(url: str, settings: Settings, job: Job) -> list[UserError]:
    """How each kind of session fails."""
    target = Target.of(url, settings, role=None)
    errors = []
    with pytest.raises(UserError) as ours:
        ask_ours(target)
    errors.append(ours.value)
    with closing(Source(target)) as source, pytest.raises(UserError) as theirs:
        source.observations(job, ())
    errors.append(theirs.value)
    return errors


def ask_ours(target: Target) -> None:
    with closing(Session(target)) as session, session.transaction():
        session.run_script("SELECT 1")


# verify-full


def test_a_whole_run_goes_over_tls(hospital: Any, encrypted: Door, authority: Authority) -> None:
    hospital.admit(1, 2, 3)
    hospital.url = (
        f"postgresql://scorer@{HOST}:{encrypted.port}/{database_of(hospital.url)}"
        f"?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={authority.root}"
    )
    assert hospital.run().counts.scored == 3
    assert set(encrypted.spoken) == {"TLS"}
    assert len(encrypted.spoken) >= 3, "the hospital's own session, ours, and the one that reads columns"


@pytest.mark.parametrize("mode", ["verify-full", "verify-ca"])
def test_a_server_of_another_authority_is_refused(
    encrypted: Door, stranger: Authority, database: str, settings: Settings, sepsis: Job, mode: str
) -> None:
    url = f"postgresql://scorer@{HOST}:{encrypted.port}/{database}?hostaddr=127.0.0.1&sslmode={mode}&sslrootcert={stranger.root}"
    for error in failures(url, settings, sepsis):
        assert "TLS is refused" in str(error)
        assert "certificate verify failed" in str(error)
        assert isinstance(error, DatabaseUnavailable), "within a run it is waited for"
    assert encrypted.spoken == []


def test_a_server_of_another_name_is_refused_by_verify_full_alone(
    encrypted: Door, authority: Authority, database: str, settings: Settings, sepsis: Job
) -> None:
    place = f"postgresql://scorer@other.hospital.example:{encrypted.port}/{database}?hostaddr=127.0.0.1"
    url = f"{place}&sslrootcert={authority.root}&sslmode="
    for error in failures(f"{url}verify-full", settings, sepsis):
        assert has("TLS is refused", HOST, "does not match host name", "other.hospital.example", error=error)
    ask_both(f"{url}verify-ca", settings, sepsis)


def has(*words: str, error: UserError) -> bool:
    return all(word in str(error) for word in words)


def test_require_encrypts_and_does_not_check_which_server_it_is(
    encrypted: Door, database: str, settings: Settings, sepsis: Job
) -> None:
    ask_both(f"postgresql://scorer@0.0.0.0:{encrypted.port}/{database}?sslmode=require", settings, sepsis)
    assert set(encrypted.spoken) == {"TLS"}


@pytest.mark.parametrize("mode", ["require", "verify-full"])
def test_a_server_without_tls_is_not_spoken_to(
    plain: Door, authority: Authority, database: str, settings: Settings, sepsis: Job, mode: str
) -> None:
    url = f"postgresql://scorer@{HOST}:{plain.port}/{database}?hostaddr=127.0.0.1&sslmode={mode}&sslrootcert={authority.root}"
    for error in failures(url, settings, sepsis):
        assert "TLS is refused" in str(error)
        assert "does not support SSL" in str(error)
    assert plain.spoken == []


def test_a_missing_root_certificate_is_one_sentence(
    encrypted: Door, database: str, settings: Settings, sepsis: Job
) -> None:
    url = f"postgresql://scorer@{HOST}:{encrypted.port}/{database}?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert=/nowhere.crt"
    for error in failures(url, settings, sepsis):
        assert has("names the file /nowhere.crt, which is not there for us", "does not exist", error=error)


# Plaintext


def test_beyond_this_machine_nothing_is_sent_in_plaintext_unless_allowed(
    plain: Door, database: str, settings: Settings, sepsis: Job
) -> None:
    """0.0.0.0 is no loopback address, and leads here all the same: what a name server could do with any name."""
    url = f"postgresql://scorer@0.0.0.0:{plain.port}/{database}"
    with pytest.raises(UserError, match=r"to 0\.0\.0\.0 could be unencrypted"):
        ask_both(url, settings, sepsis)
    assert plain.spoken == []
    ask_both(url, replace(settings, allow_plaintext=True), sepsis)
    assert set(plain.spoken) == {"plaintext"}


def test_on_this_machine_plaintext_is_spoken_as_before(
    plain: Door, database: str, settings: Settings, sepsis: Job
) -> None:
    for host in ("localhost", "127.0.0.1"):
        ask_both(f"postgresql://scorer@{host}:{plain.port}/{database}", settings, sepsis)
    assert set(plain.spoken) == {"plaintext"}


def test_what_a_url_says_of_encryption_goes_before_what_a_service_says(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    encrypted: Door,
    authority: Authority,
    database: str,
    settings: Settings,
    sepsis: Job,
) -> None:
    services = tmp_path / "pg_service.conf"
    place = f"host={HOST}\nhostaddr=127.0.0.1\nport={encrypted.port}\ndbname={database}\nuser=scorer\n"
    services.write_text(f"[hospital]\n{place}sslmode=disable\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    ask_both(f"postgresql:///?service=hospital&sslmode=verify-full&sslrootcert={authority.root}", settings, sepsis)
    assert set(encrypted.spoken) == {"TLS"}


# Commands


@pytest.mark.parametrize(
    "command",
    [
        "run sepsis",
        "status",
        "check",
        "demo",
        "load .",
        "db upgrade",
        "db check",
        "db plan",
        "train sepsis",
        "model list",
    ],
)
def test_every_command_refuses_and_tells_no_password(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    plain: Door,
    tmp_path: Path,
    command: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCORER_HOME", str(tmp_path))
    monkeypatch.setenv("SCORER_DATABASE_URL", f"postgresql://zorro:{PASSWORD}@0.0.0.0:{plain.port}/postgres")
    with pytest.raises(SystemExit) as ended:
        cli.main(command.split())
    out, err = capfd.readouterr()
    assert ended.value.code == 1
    assert "could be unencrypted" in err
    assert PASSWORD not in out + err
    assert plain.spoken == []
