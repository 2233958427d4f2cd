"""Floor 0: the parts of the protocol, without sockets or files. `protocol.py` is their one door."""
