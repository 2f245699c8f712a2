"""Whether a connection could carry a patient's values unencrypted over a network; no I/O.

What counts as this machine is what cannot be redirected: a Unix socket, or a loopback address. A host name counts as elsewhere wherever
it leads today, because a name server may say otherwise tomorrow; `localhost` alone is known, and is bound to the loopback addresses.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

# `require` and `verify-ca` encrypt, and so are accepted; only `verify-full` proves which server it is, and is recommended.
_ENCRYPTED = frozenset({"require", "verify-ca", "verify-full"})
_VARIABLES = {"host": "PGHOST", "hostaddr": "PGHOSTADDR", "sslmode": "PGSSLMODE", "service": "PGSERVICE"}
_LOOPBACK = {"host": "localhost,localhost", "hostaddr": "127.0.0.1,::1"}


def plaintext_place(parameters: Mapping[str, str], *, environment: Mapping[str, str]) -> str | None:
    """Where a connection with libpq's `parameters` could lead unencrypted, if beyond this machine.

    >>> plaintext_place({"host": "db.example", "sslmode": "prefer"}, environment={})
    'db.example'
    >>> plaintext_place({"host": "db.example", "sslmode": "verify-full"}, environment={})
    >>> plaintext_place({"host": "127.0.0.1"}, environment={})
    """
    service = parameters.get("service", environment.get("PGSERVICE"))
    # A service file goes before the environment, and is not read here.
    known = parameters if service else in_force(parameters, environment=environment)
    if known.get("sslmode") in _ENCRYPTED:
        return None
    if service and "hostaddr" not in known:
        return f"the service {service}"
    return next((place for place in _places(known) if not _is_here(place)), None)


def in_force(parameters: Mapping[str, str], *, environment: Mapping[str, str]) -> dict[str, str]:
    """`parameters`, and the host, address, encryption or service that libpq takes from its variables."""
    given = {name: environment[variable] for name, variable in _VARIABLES.items() if environment.get(variable)}
    return {**given, **parameters}


def pinned(parameters: Mapping[str, str], *, environment: Mapping[str, str]) -> dict[str, str]:
    """`parameters` with `localhost` bound to the loopback addresses, so that no name server is asked.

    >>> pinned({"host": "localhost"}, environment={})
    {'host': 'localhost,localhost', 'hostaddr': '127.0.0.1,::1'}
    """
    known = in_force(parameters, environment=environment)
    named = known.get("host", "").lower() == "localhost" and not known.get("hostaddr") and not known.get("service")
    return {**parameters, **(_LOOPBACK if named else {})}


def _places(known: Mapping[str, str]) -> list[str]:
    """Each place that libpq may try: an address, else a host; "" is the socket that it was built with."""
    hosts = known.get("host", "").split(",")
    addresses = known.get("hostaddr", "").split(",")
    if len(hosts) == 1 or len(addresses) == 1:  # libpq refuses other lengths that differ
        return addresses if addresses != [""] else hosts
    return [address or host for host, address in zip(hosts, addresses, strict=False)]


def _is_here(place: str) -> bool:
    if place == "" or place.startswith(("/", "@")) or place.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(place).is_loopback
    except ValueError:
        return False
