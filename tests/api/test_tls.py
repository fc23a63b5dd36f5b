"""https with a certificate of the box's own."""

from __future__ import annotations

import hashlib
import socket
import ssl
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
from typer.testing import CliRunner

import sophon
from sophon.api import TlsFiles
from sophon.cli import app
from sophon.errors import Code, SophonError
from sophon.tokens import Role
from tests.api.conftest import RunningApi


def self_signed(folder: Path, *options: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["tls", "self-signed", str(folder), "--json", *options])
    assert done.exit_code == 0, done.output
    made = orjson.loads(done.output)
    assert isinstance(made, dict)
    return made


@pytest.fixture
def made(tmp_path: Path) -> dict[str, Any]:
    return self_signed(tmp_path / "tls", "--name", "gate.example")


@pytest.fixture
def https(start_api: Callable[..., RunningApi], made: dict[str, Any]) -> RunningApi:
    return start_api(tls=TlsFiles(Path(made["certificate"]), Path(made["key"])))


def handshake(api: RunningApi, context: ssl.SSLContext, name: str = "127.0.0.1") -> ssl.SSLSocket:
    parts = urlsplit(api.url)
    connection = socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=10)
    return context.wrap_socket(connection, server_hostname=name)


def test_who_has_the_certificate_calls_the_box_and_others_don_t_trust_it(
    https: RunningApi, made: dict[str, Any]
) -> None:
    assert https.url.startswith("https://")
    token = https.tokens[Role.ADMIN]
    with sophon.Client(https.url, token, ca_file=Path(made["certificate"])) as client:
        assert client.status().phase == "consuming"
        assert list(client.people()) == []
    with sophon.Client(https.url, token, tries=1) as client, pytest.raises(SophonError) as refused:
        client.status()
    assert refused.value.code is Code.REMOTE_SERVER_FAILED


def test_it_speaks_for_the_box_s_names_and_no_others(https: RunningApi, made: dict[str, Any]) -> None:
    context = ssl.create_default_context(cafile=made["certificate"])
    for name in ("127.0.0.1", "localhost", socket.gethostname().lower(), "gate.example"):
        assert name in made["names"]
        with handshake(https, context, name) as connection:
            shown = connection.getpeercert(binary_form=True)
            assert shown is not None
            assert hashlib.sha256(shown).hexdigest().upper() == made["sha256"].replace(":", "")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"evil\.example"):
        handshake(https, context, "evil.example")


def test_old_protocols_are_refused(https: RunningApi, made: dict[str, Any]) -> None:
    context = ssl.create_default_context(cafile=made["certificate"])
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with handshake(https, context) as connection:
        assert connection.version() in ("TLSv1.2", "TLSv1.3")
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(https, old)


def test_the_key_is_for_its_owner_and_nothing_is_overwritten_unasked(
    made: dict[str, Any], tmp_path: Path
) -> None:
    key = Path(made["key"])
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert "PRIVATE KEY" in key.read_text()
    before = key.read_bytes()
    again = CliRunner().invoke(app, ["tls", "self-signed", str(tmp_path / "tls")])
    assert isinstance(again.exception, SophonError)
    assert "--replace" in str(again.exception)
    assert key.read_bytes() == before
    assert self_signed(tmp_path / "tls", "--replace")["sha256"] != made["sha256"]
    assert key.read_bytes() != before
    assert sorted(one.name for one in (tmp_path / "tls").iterdir()) == ["certificate.pem", "key.pem"]


def test_what_is_shown_can_be_put_into_the_configuration(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["tls", "self-signed", str(tmp_path / "tls")])
    assert f'http_tls_key = "{tmp_path / "tls" / "key.pem"}"' in done.output
    assert "PRIVATE" not in done.output
