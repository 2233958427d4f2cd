"""Front of the server: listener, connections, their gate and watchdog."""
