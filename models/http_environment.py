"""What the environment says about HTTP: proxies, and the certificates that are trusted.

HTTP libraries read these variables when a client is made, and raise errors of many types where one cannot be used.
"""

from __future__ import annotations

import os

from ambivox.models.errors import UserError

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def check_http_environment() -> None:
    """Check that an HTTP client can be made with the proxies and certificates that the environment names.

    Raises:
        UserError: One of the variables cannot be used.
    """
    import httpx

    try:
        httpx.Client().close()
    # ImportError: a SOCKS proxy; OSError: certificates; ValueError: a proxy's scheme; InvalidURL: the rest of an address.
    except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
        names = _CERTIFICATES if isinstance(error, OSError) else _PROXIES
        is_set = [name for each in names for name in (each, each.lower()) if os.environ.get(name)]
        raise UserError(
            f"{', '.join(f'{name}={_without_password(os.environ[name])}' for name in is_set)}: no HTTP client can use "
            f"this ({' '.join(str(error).split())}); expected proxies such as http://host:3128, hosts "
            "without a proxy such as localhost,127.0.0.1, and certificates that can be read; correct or unset it"
        ) from None


def _without_password(value: str) -> str:
    scheme, separator, place = value.rpartition("://")
    return f"{scheme}{separator}{place.rpartition('@')[2]}"
