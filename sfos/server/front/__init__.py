"""Who comes in: listener, connections, their gate and watchdog."""
