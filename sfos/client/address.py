"""Address of a server: a host name or address and a port."""

from __future__ import annotations

from typing import Self

import msgspec

DEFAULT_PORT = 8443  # that of a server with its default settings; a test compares them


class Address(msgspec.Struct, frozen=True, order=True):
    """A server's place; `str` writes it as `host:port`, with brackets around an IPv6 address."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, default_port: int = DEFAULT_PORT) -> Self:
        """The address in `host`, `host:port`, `[v6]:port`, a bare IPv6 address, or a pasted `https://host:port/…`.

        Raises: ValueError, with a sentence for people.
        """
        text = text.strip()
        scheme, separator, rest = text.partition("://")
        if separator and scheme.isascii() and scheme.isalpha():
            for end in "/?#":
                rest = rest.partition(end)[0]
            text = rest.rpartition("@")[2]
        if text.startswith("["):
            host, bracket, rest = text[1:].partition("]")
            if not bracket or (rest and not rest.startswith(":")):
                raise ValueError(f"“{text}” is not an address; an IPv6 address is written [::1]:{default_port}")
            port = rest[1:]
        elif text.count(":") > 1:
            host, port = text, ""
        else:
            host, _, port = text.partition(":")
        if not host or any(character.isspace() for character in host):
            raise ValueError(f"“{text}” does not name a server; write host:port, for example localhost:{default_port}")
        return cls(host.lower().rstrip("."), _port(port) if port else default_port)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise ValueError(f"“{text}” is not a port; ports go from 1 to 65535")
    return int(text)
