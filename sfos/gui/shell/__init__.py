"""The window itself: its start, frame, commands and settings kept."""
