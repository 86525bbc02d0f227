"""Keeps tests off the network: Python imports this file at start when its folder is on PYTHONPATH.

An audit hook sees every connection and name look-up that goes through Python's ``socket``, in this
process and, since PYTHONPATH is inherited, in the processes that a test starts. It cannot be
switched off again. The fault is an ``OSError``, what a machine without a network would raise.
"""

import errno
import ipaddress
import sys
from typing import Any

LOOK_UPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
CONNECTIONS = {"socket.connect", "socket.sendto", "socket.sendmsg"}


class NetworkRefusedError(OSError):
    """A test tried to reach beyond the loopback."""


def is_local(host: Any) -> bool:
    """Whether a host, as given to ``socket``, is this machine."""
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host in (None, "", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(str(host).split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise ``NetworkRefusedError`` for anything that leaves the machine."""
    if event in CONNECTIONS:
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # a path, for Unix sockets
    elif event in LOOK_UPS:
        host = arguments[0]
    else:
        return
    if not is_local(host):
        raise NetworkRefusedError(
            errno.ENETUNREACH, f"tests do not use the network: {event} to {host!r} refused"
        )


if not getattr(sys, "_fewrec_network_refused", False):
    sys.addaudithook(refuse_network)
    sys._fewrec_network_refused = True  # type: ignore[attr-defined]
