from __future__ import annotations

import pytest

from sfos import config
from sfos.client.address import DEFAULT_PORT, Address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("localhost", "localhost", 8443),
        ("Files.Example.ORG:9000", "files.example.org", 9000),
        (" 127.0.0.1:1 ", "127.0.0.1", 1),
        ("[::1]:9000", "::1", 9000),
        ("[::1]", "::1", 8443),
        ("::1", "::1", 8443),
        ("host.", "host", 8443),
        ("https://files.example.org", "files.example.org", 8443),
        ("https://Files.Example.org:9000/", "files.example.org", 9000),
        (" http://anna@files.example.org:9000/login?x=1#y ", "files.example.org", 9000),
        ("sfos://[::1]:9000/docs", "::1", 9000),
        ("https://files.example.org?x=/y", "files.example.org", 8443),
    ],
)
def test_an_address_is_read_in_all_the_ways_people_write_it(text: str, host: str, port: int) -> None:
    assert Address.parse(text) == Address(host, port)


@pytest.mark.parametrize(
    "text",
    ["", ":9000", "host:0", "host:65536", "host:x", "a b", "[::1", "[::1]9000", "host:٣", "https://", "https:///x"],
)
def test_what_is_no_address_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="“"):
        Address.parse(text)


def test_an_address_is_written_so_that_it_can_be_read_again() -> None:
    for address in (Address("localhost", 8443), Address("::1", 9000)):
        assert Address.parse(str(address), 1) == address


def test_an_address_without_a_port_means_a_server_with_default_settings() -> None:
    assert config.Server().port == DEFAULT_PORT
    assert Address.parse(config.Client().server).port == DEFAULT_PORT
