"""Colours, icons, sizes and styles of the window."""
