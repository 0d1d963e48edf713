"""Where a service listens: on its own machine, or elsewhere behind tokens and TLS."""

import ipaddress
import socket
import ssl
from pathlib import Path

from reid_lit.errors import InputError, MissingFileError
from reid_lit.safeguards.policy import Policy


def check_listening(
    host: str, certificate: Path | None, private_key: Path | None, *, policy: Policy, folder: Path
) -> None:
    """Refuse to listen where others can read along, or ask without a token.

    Args:
        host: The address.
        certificate: TLS: the file of the certificate and those that signed it.
        private_key: TLS: the file of its key.
        policy: The gallery's.
        folder: The gallery's, for the words of an error.

    Raises:
        FileNotFoundError: a file of TLS is not there.
        ValueError: the address is another machine's way in, and there are no tokens or no TLS; or the files of TLS do
            not go together.
    """
    if (certificate is None) != (private_key is None):
        raise InputError("certificate= and private_key= go together; give both, or none on this machine alone")
    if not is_loopback(host):
        if policy.tokens != "required":
            raise InputError(
                f"host={host}: others can reach this address, and {folder} needs no token; write tokens: required into"
                f" its policy.yaml, or leave host out to serve this machine alone"
            )
        if certificate is None:
            raise InputError(
                f"host={host}: others can read what goes to this address; give certificate= and private_key= (PEM), or"
                f" leave host out to serve this machine alone"
            )
    if certificate is not None and private_key is not None:
        _check_pair(certificate, private_key)


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_pair(certificate: Path, private_key: Path) -> None:
    for name, file in (("certificate", certificate), ("private_key", private_key)):
        if not file.is_file():
            raise MissingFileError(f"{name}={file}: no such file")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, private_key, password=_no_password)
    except (ssl.SSLError, OSError, InputError) as error:
        raise InputError(
            f"certificate={certificate}: it cannot be used with private_key={private_key} ({error});"
            f" give a certificate and its key, PEM, without a password"
        ) from None


def _no_password() -> str:
    raise InputError("the key has a password")


def listening(host: str, port: int) -> socket.socket:
    """A socket at an address, which accepts nobody yet.

    Raises:
        ValueError: the port is taken or may not be used, or the address is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except (OSError, OverflowError) as error:
        made.close()
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"port={port}: cannot listen at {host} ({reason}); give another port, or 0 for any that is free"
        ) from None
    return made
