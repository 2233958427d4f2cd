"""The server as a process: its home's lock, logs, memory, supervisor."""
