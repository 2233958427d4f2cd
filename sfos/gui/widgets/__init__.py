"""Widgets that any place in the window uses."""
