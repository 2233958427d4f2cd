"""The desktop window: model (plain state), presenters (no display needed), tasks (worker → Tk), views, theme.

Imports `client`, `protocol` and `config`; never the server. Nothing here blocks Tk's thread on network, disk or
decoding.
"""
