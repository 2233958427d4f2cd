"""One TLS connection to a server."""


class Connection:
    """Owned by one thread at a time."""
