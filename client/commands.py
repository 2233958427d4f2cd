"""One typed method for each command that a session can give."""


class Commands:
    """See `client.api`."""
