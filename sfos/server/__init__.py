"""The server: sessions and commands over storage. It imports `protocol` and `config`, never the client."""
