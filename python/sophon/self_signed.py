"""A certificate of the box's own for its HTTP API, for networks without an authority."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sophon.errors import ConfigError
from sophon.platform.url_policy import own_addresses

CERTIFICATE = "certificate.pem"
KEY = "key.pem"


@dataclass(frozen=True)
class OwnCertificate:
    """Where it is, whom it speaks for, until when, and the SHA-256 by which a caller knows it."""

    certificate: Path
    key: Path
    names: tuple[str, ...]
    valid_until: datetime
    fingerprint: str


def own_names(further: Iterable[str] = ()) -> tuple[str, ...]:
    """What this machine may be called by: its host name, its addresses, and further names."""
    host = socket.gethostname().lower()
    names = ["localhost", host, f"{host}.local", *sorted(str(address) for address in own_addresses())]
    return tuple(dict.fromkeys([*names, "127.0.0.1", "::1", *further]))


def make_certificate(folder: Path, names: Iterable[str], days: int, *, replace: bool) -> OwnCertificate:
    """Make a key and a certificate that signs itself, and write both to a folder.

    Raises ConfigError if they are there already and may not be replaced, or can't be written, or a name is none.
    """
    names = tuple(names)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sophon box")])
    now = datetime.now(timezone.utc)
    valid_until = now + timedelta(days=days)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # clocks differ
        .not_valid_after(valid_until)
        .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
        # No authority: who steals the key can be this box, and nobody else.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_USAGE, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    made = OwnCertificate(
        folder / CERTIFICATE,
        folder / KEY,
        names,
        valid_until,
        certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not replace and (made.certificate.exists() or made.key.exists()):
            raise ConfigError(f"there is a certificate in {folder} already; --replace makes another")
        _write(made.key, secret, 0o600)
        _write(made.certificate, certificate.public_bytes(pem), 0o644)
    except OSError as error:
        raise ConfigError(f"{folder} can't be written: {error.strerror}") from None
    return made


_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name.partition("%")[0]))
    except ValueError:
        pass
    try:
        return x509.DNSName(name.encode("idna").decode())
    except UnicodeError:
        raise ConfigError(f"{name!r} is neither a host name nor an address") from None


def _write(file: Path, content: bytes, mode: int) -> None:
    """Whole or not at all, and never for a moment with more rights than it is to have."""
    partial = file.with_name(f".{file.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    partial.replace(file)
