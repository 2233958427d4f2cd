"""Connections to servers: sockets, TLS, trust in keys."""
