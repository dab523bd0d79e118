"""Certificates for servers on the loopback interface, from an authority of the test's own."""

import shutil
import subprocess
from pathlib import Path

from msgspec import Struct

from tests.servers.needs import Unavailable


class Certificates(Struct, frozen=True):
    """Paths of PEM files: the authority's certificate, a certificate for 127.0.0.1 and localhost, and its key."""

    authority: Path
    certificate: Path
    key: Path


def made_certificates(directory: Path) -> Certificates:
    """New ones in a directory, good for two days; the same certificate serves a server and a client.

    Raises:
        Unavailable: there is no openssl.
    """
    openssl = shutil.which("openssl")
    if openssl is None:
        raise Unavailable("there is no openssl to make certificates with; install it (Debian: openssl)")
    directory.mkdir(parents=True, exist_ok=True)
    new = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    authority = [*new, "-subj", "/CN=test authority", "-keyout", "authority.key", "-out", "authority.pem"]
    names = "subjectAltName=IP:127.0.0.1,DNS:localhost"
    signed = [
        *[*new, "-subj", "/CN=localhost", "-addext", names, "-addext", "basicConstraints=critical,CA:FALSE"],
        *["-CA", "authority.pem", "-CAkey", "authority.key", "-keyout", "server.key", "-out", "server.pem"],
    ]
    for command in (authority, signed):
        subprocess.run(command, cwd=directory, check=True, capture_output=True)
    return Certificates(directory / "authority.pem", directory / "server.pem", directory / "server.key")
