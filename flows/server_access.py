"""Who may reach the Prefect server of a project: this machine alone, or others with a password.

Prefect itself asks for the password at its API only; the reports, which hold transcripts and clips, ask for it here.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import os
import socket

from ambivox.models.errors import UserError

# Prefect's own names: what its server expects, and what its clients send.
SERVER_PASSWORD = "PREFECT_SERVER_API_AUTH_STRING"  # noqa: S105 - the name of a variable
CLIENT_PASSWORD = "PREFECT_API_AUTH_STRING"  # noqa: S105
_SHORTEST_PASSWORD = 12
_DEFAULTS = ("change-me", "changeme")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on an address.

    Args:
        host: The address or name that is listened on.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("example.org")
        (True, True, False, False)
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def addresses(host: str, port: int) -> list[tuple[int, tuple[object, ...]]]:
    """The addresses that a server listens on.

    Args:
        host: An address or a name, without the brackets that IPv6 has in URLs.
        port: The port.

    Returns:
        The family of each, for a socket, and the address.

    Raises:
        UserError: There is none of this name.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:  # ValueError: a name that no host can have
        reason = error.strerror if isinstance(error, OSError) else "not the name of a machine"
        raise UserError(
            f"--host {host!r}: no address of that name ({reason}); name an address of this machine, such as 127.0.0.1 or ::1"
        ) from error
    return [(family, address) for family, _, _, _, address in found]


def url_host(host: str) -> str:
    """An address or name as URLs have it: IPv6 in brackets.

    Example:
        >>> url_host("::1"), url_host("127.0.0.1")
        ('[::1]', '127.0.0.1')
    """
    return f"[{host.replace('%', '%25')}]" if ":" in host else host


def check_host(host: str) -> None:
    """Check that a server that other machines reach asks them for a password.

    Args:
        host: The address to listen on.

    Raises:
        UserError: Others would reach it, and there is no password, or one that is short or from an example.
    """
    if is_loopback(host):
        return
    given = os.environ.get(SERVER_PASSWORD, "")
    user, colon, password = given.partition(":")
    if not given:
        problem = f"{SERVER_PASSWORD} is not set"
    elif not (user and colon):
        problem = f"{SERVER_PASSWORD} is not of the form user:password"
    elif any(default in password.lower() for default in _DEFAULTS):
        problem = f"{SERVER_PASSWORD} is still that of an example"
    elif len(password) < _SHORTEST_PASSWORD:
        problem = f"the password in {SERVER_PASSWORD} has fewer than {_SHORTEST_PASSWORD} characters"
    else:
        return
    raise UserError(
        f"--host {host}: other machines could read the reports and change the runs: {problem}; set it to user:password with "
        f"{_SHORTEST_PASSWORD} characters or more, or leave out --host and reach this machine through an SSH tunnel"
    )


def is_authorised(header: str | None, expected: str | None) -> bool:
    """Whether a request may see a page.

    Args:
        header: The request's field ``Authorization``.
        expected: ``user:password``; None where the server asks for none.
    """
    if not expected:
        return True
    scheme, _, credentials = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        given = base64.b64decode(credentials, validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(given, expected.encode())


def client_credentials() -> tuple[str, str] | None:
    """User and password for requests to the API; None where the environment has none."""
    user, colon, password = os.environ.get(CLIENT_PASSWORD, "").partition(":")
    return (user, password) if colon else None
