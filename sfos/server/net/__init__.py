"""TLS streams, certificates, and the memory for what travels."""
