"""Signing in and staying in: sessions, their tickets, and the connections that join them."""
