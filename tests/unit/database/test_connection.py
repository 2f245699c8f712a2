"""Which connections are refused for want of encryption: decided from what libpq is given, by URL, variable or service file."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import parse_dsn

from scorer.checks.check import check
from scorer.config import Settings
from scorer.database.connecting import plain_session
from scorer.database.connection import Database, Target, columns_uri, encrypted_url, libpq_url
from scorer.errors import UserError

VARIABLES = ("PGHOST", "PGHOSTADDR", "PGSSLMODE", "PGSERVICE")
ELSEWHERE = [
    "postgresql://u@db.hospital.example/d",
    "postgresql://u@db.hospital.example/d?sslmode=disable",
    "postgresql://u@db.hospital.example/d?sslmode=allow",
    "postgresql://u@db.hospital.example/d?sslmode=prefer",
    "postgresql://u@db.hospital.example/d?sslmode=",
    "postgresql+psycopg2://u@db.hospital.example/d",
    "postgresql://u@10.0.0.5/d",
    "postgresql://u@[2001:db8::1]/d",
    "postgresql://u@/d?host=db.hospital.example",
    "postgresql://u@localhost/d?host=db.hospital.example",
    # Only one of several, whichever it is.
    "postgresql://u@127.0.0.1:5432,db.hospital.example:5432/d",
    "postgresql://u@/d?host=/run/postgresql,db.hospital.example",
    "postgresql://u@localhost,db.hospital.example/d",
    # The address is where it leads, whatever the host is called.
    "postgresql://u@localhost/d?hostaddr=10.0.0.5",
    "postgresql://u@127.0.0.1/d?hostaddr=10.0.0.5",
    "postgresql://u@/d?host=/run/postgresql&hostaddr=10.0.0.5",
    "postgresql://u@127.0.0.1,127.0.0.1/d?hostaddr=127.0.0.1,10.0.0.5",
    # Names that look like this machine, or lead there today.
    "postgresql://u@localhost.hospital.example/d",
    "postgresql://u@localhost./d",
    "postgresql://u@ip6-localhost/d",
    "postgresql://u@127.0.0.1.hospital.example/d",
    "postgresql://u@127.1/d",
    "postgresql://u@2130706433/d",
    "postgresql://u@0.0.0.0/d",
    "postgresql://u@[::ffff:10.0.0.5]/d",
    # Where a service leads is not known here.
    "postgresql://u@/d?service=hospital",
    "postgresql://u@localhost/d?service=hospital",
    "postgresql://u@/d?host=/run/postgresql&service=hospital",
]
HERE = [
    "postgresql://",
    "postgresql:///d",
    "postgresql://u@/d?host=/run/postgresql",
    "postgresql://u@%2Frun%2Fpostgresql/d",
    "postgresql://u@/d?host=@abstract",
    "postgresql://u@localhost/d",
    "postgresql://u@LOCALHOST:5433/d",
    "postgresql://u@127.0.0.1/d",
    "postgresql://u@127.8.9.10/d",
    "postgresql://u@[::1]:5432/d",
    "postgresql://u@/d?host=/run/a,/run/b",
    "postgresql://u@db.hospital.example/d?hostaddr=127.0.0.1",
    "postgresql://u@a,b/d?hostaddr=127.0.0.1,::1",
    "postgresql://u@/d?service=hospital&hostaddr=127.0.0.1",
]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def refused(url: str, **options: bool) -> str:
    with pytest.raises(UserError) as raised:
        Target.of(url, Settings(**options), role=None)  # type: ignore[arg-type]
    return str(raised.value)


@pytest.mark.parametrize("url", ELSEWHERE)
def test_plaintext_beyond_this_machine_is_refused_in_one_sentence(url: str) -> None:
    sentence = refused(url)
    assert sentence.startswith("The connection to ")
    assert "could be unencrypted; add sslmode=verify-full" in sentence
    assert sentence.endswith("or set allow_plaintext = true.")
    with pytest.raises(UserError, match="could be unencrypted"):
        plain_session(Database(url, Settings()), application_name="test")


@pytest.mark.parametrize("url", ELSEWHERE)
def test_it_is_let_pass_where_the_settings_say_so(url: str) -> None:
    assert Target.of(url, Settings(allow_plaintext=True), role=None).url.startswith("postgresql://")


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
@pytest.mark.parametrize("url", [url for url in ELSEWHERE if "sslmode" not in url])
def test_what_encrypts_is_let_pass(url: str, mode: str) -> None:
    encrypted = f"{url}{'&' if '?' in url else '?'}sslmode={mode}"
    assert parse_dsn(encrypted_url(encrypted, Settings()))["sslmode"] == mode


@pytest.mark.parametrize("url", HERE)
def test_on_this_machine_nothing_need_be_encrypted(url: str) -> None:
    assert encrypted_url(url, Settings())


def test_the_sentence_says_where_it_leads() -> None:
    assert "to db.hospital.example could" in refused("postgresql://u:secret@127.0.0.1,db.hospital.example/d")
    assert "to the service hospital could" in refused("postgresql://u:secret@/d?service=hospital")
    assert "secret" not in refused("postgresql://u:secret@db.hospital.example/d")


# What libpq takes from elsewhere


@pytest.mark.parametrize(
    ("variables", "url", "let_pass"),
    [
        ({"PGHOST": "db.hospital.example"}, "postgresql:///d", False),
        ({"PGHOST": "db.hospital.example"}, "postgresql://u@127.0.0.1/d", True),
        ({"PGHOST": "db.hospital.example", "PGSSLMODE": "verify-full"}, "postgresql:///d", True),
        ({"PGSSLMODE": "verify-full"}, "postgresql://u@db.hospital.example/d", True),
        ({"PGSSLMODE": "verify-full"}, "postgresql://u@db.hospital.example/d?sslmode=prefer", False),
        ({"PGSSLMODE": "disable"}, "postgresql://u@db.hospital.example/d?sslmode=verify-full", True),
        ({"PGHOSTADDR": "10.0.0.5"}, "postgresql://u@localhost/d", False),
        ({"PGHOSTADDR": "10.0.0.5"}, "postgresql:///d", False),
        ({"PGHOSTADDR": "127.0.0.1"}, "postgresql://u@db.hospital.example/d", True),
        ({"PGSERVICE": "hospital"}, "postgresql://u@localhost/d", False),
        # A service file goes before the environment: what stands there counts for nothing.
        ({"PGSERVICE": "hospital", "PGSSLMODE": "verify-full"}, "postgresql:///d", False),
        ({"PGSERVICE": "hospital", "PGHOSTADDR": "127.0.0.1"}, "postgresql:///d", False),
        ({"PGSERVICE": "hospital"}, "postgresql:///d?sslmode=verify-full", True),
    ],
)
def test_variables_count_as_libpq_counts_them(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], url: str, let_pass: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if let_pass:
        assert encrypted_url(url, Settings())
    else:
        assert "could be unencrypted" in refused(url)


@pytest.mark.parametrize(
    ("url", "variables"),
    [("postgresql://u@localhost:5433/d", {}), ("postgresql://u@/d", {"PGHOST": "localhost"})],
)
def test_localhost_is_bound_to_the_loopback_addresses_in_both_kinds_of_session(
    monkeypatch: pytest.MonkeyPatch, url: str, variables: dict[str, str]
) -> None:
    """So that no name server is asked."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    target = Target.of(url, Settings(), role=None)
    ours = target.parameters
    theirs = parse_dsn(columns_uri(target))
    for parameters in (ours, theirs):
        assert (parameters["host"], parameters["hostaddr"]) == ("localhost,localhost", "127.0.0.1,::1")


# Both kinds of session are given the same


def test_whatever_a_url_holds_reaches_both_kinds_of_session_alike() -> None:
    url = (
        "postgresql://%C3%BC%26us%2Ber:p%40s%2Fs%25+w%20%C3%A4@127.0.0.1:5433/d%26b%3Fx"
        "?sslmode=require&passfile=/a%20b&options=-c%20work_mem%3D7MB"
    )
    target = Target.of(url, Settings(connect_timeout=timedelta(seconds=3)), role="r")
    ours, theirs = target.parameters, parse_dsn(columns_uri(target))
    assert ours == theirs
    assert (ours["user"], ours["password"], ours["dbname"]) == ("ü&us+er", "p@s/s%+w ä", "d&b?x")
    assert (ours["host"], ours["port"], ours["sslmode"]) == ("127.0.0.1", "5433", "require")
    assert (ours["passfile"], ours["connect_timeout"]) == ("/a b", "3")
    assert ours["options"] == "-c work_mem=7MB", "none of ours: a pooler refuses them"
    assert dict(parse_qsl(urlsplit(columns_uri(target)).query, keep_blank_values=True)) == ours


def test_several_hosts_with_ports_are_read_as_libpq_reads_them() -> None:
    target = Target.of("postgresql://u@127.0.0.1:5433,[::1]:5434/d", Settings(), role=None)
    parameters = target.parameters
    assert (parameters["host"], parameters["port"]) == ("127.0.0.1,::1", "5433,5434")


# Passwords, whatever they are made of and however they were written


PIECES = "zjXJK8"  # that no sentence holds by chance


def told_of(url: str) -> str:
    """All that `scorer check` says where nothing answers at that URL."""
    try:
        results = list(check(database=Database(url, Settings(connect_timeout=timedelta(seconds=2)))))
        return "\n".join(each.found for each in results)
    except UserError as error:
        return str(error)


@given(
    password=st.text(alphabet=PIECES + "/@:#?%[]&=+, ;'\"\\\n", min_size=1, max_size=12),
    form=st.sampled_from(
        [
            "postgresql://u:{}@127.0.0.1:9/d",
            "postgresql://u:{}@127.0.0.1:9/d?sslmode=require&sslrootcert=/nowhere.crt",
            "postgresql://u:{}@127.0.0.1:9",
            "postgresql+psycopg2://u:{}@127.0.0.1:9/d?application_name=a",
            "postgresql://u@127.0.0.1:9/d?password={}",
            "host=127.0.0.1 port=9 user=u password={}",
            "{}",
        ]
    ),
)
@example(password="K/j", form="postgresql://u:{}@127.0.0.1:9/d")
@example(password="88/8:z", form="postgresql://u:{}@127.0.0.1:9/d")
@example(password="j@K/z?host=X", form="postgresql://u:{}@127.0.0.1:9/d")
@example(password="K?zK=j/8", form="postgresql://u:{}@127.0.0.1:9/d")
@settings(max_examples=300, deadline=None)
def test_no_piece_of_a_password_is_in_what_check_says(password: str, form: str) -> None:
    told = told_of(form.replace("{}", password))
    assert told
    for piece in re.findall(f"[{PIECES}]+", password):
        assert piece not in told, told


@pytest.mark.parametrize("character", "/@:#?%[]&=+ ,;'\"\\\n")
def test_every_character_of_a_password_can_be_written_percent_encoded(character: str) -> None:
    url = libpq_url(f"postgresql://u:{quote(f'q{character}x', safe='')}@127.0.0.1:9/d")
    assert parse_dsn(url)["password"] == f"q{character}x"


@pytest.mark.parametrize("character", ":#?[]&=+ ,;'\"")
def test_what_libpq_takes_for_a_password_is_not_refused(character: str) -> None:
    assert parse_dsn(libpq_url(f"postgresql://u:q{character}x@127.0.0.1:9/d"))["password"] == f"q{character}x"


# Lists of hosts


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("a,b,c/d?hostaddr=127.0.0.1,127.0.0.2", "3 of host and 2 of hostaddr"),
        ("a:1,b:2/d?hostaddr=127.0.0.1", "2 of host and 1 of hostaddr and 2 of port"),
        ("/d?host=a,b,c&port=1,2", "3 of host and 2 of port"),
    ],
)
def test_lists_of_other_lengths_are_one_sentence(place: str, words: str) -> None:
    assert f"lists differ in length: {words}" in refused(f"postgresql://{place}&sslmode=verify-full")


@pytest.mark.parametrize("port", ["0", "65536", "-1", "5432x", "٣"])
def test_a_port_that_is_none_is_one_sentence(port: str) -> None:
    assert "port is no number" in refused(f"postgresql:///d?port={port}")


def test_one_port_serves_all_hosts() -> None:
    assert libpq_url("postgresql:///d?host=/a,/b&port=5433")
    assert libpq_url("postgresql://a:1,b:2,c/d")


# URLs


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("postgresql://u:p@h:1/d?sslmode=require", "postgresql://u:p@h:1/d?sslmode=require"),
        ("postgres://h/d", "postgresql://h/d"),
        ("postgresql+psycopg2://h/d", "postgresql://h/d"),
        ("postgresql+psycopg://h/d", "postgresql://h/d"),
        ("postgresql://", "postgresql://"),
        ("postgresql:///d?host=/tmp", "postgresql:///d?host=/tmp"),
    ],
)
def test_urls_of_libpq_and_of_sqlalchemy_are_the_same(url: str, read: str) -> None:
    assert libpq_url(url) == read


@pytest.mark.parametrize(
    "url", ["", "mysql://u:secret@h/d", "host=h password=secret", "h:5432/secret", "postgresql:/secret"]
)
def test_what_is_no_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(UserError) as raised:
        libpq_url(url)
    assert "secret" not in str(raised.value)
    assert "postgresql://user@host:5432/database" in str(raised.value)
