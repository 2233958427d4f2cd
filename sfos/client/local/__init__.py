"""This computer's side: scanning, cutting, writing, names, and where a client keeps what it knows."""
