"""Server that the form offers where the command line names none."""

from __future__ import annotations

from sfos import config
from sfos.client.address import Address
from sfos.startup.running import address_in


def server_to_offer(settings: config.Config, last: str) -> str:
    """The configured server; if that is only the default, the one used `last`, or else the one that runs in this home.

    That one also in place of another port of this computer, which it had before.
    """
    if settings.client.server != config.Client().server:
        return settings.client.server
    here = address_in(settings.home)
    if here and (not last or _is_here(last)):
        return here
    return last or settings.client.server


def _is_here(server: str) -> bool:
    try:
        host = Address.parse(server).host
    except ValueError:
        return False
    return host in ("localhost", "::1") or host.startswith("127.")
