"""Widgets that know nothing of files: banner, toast, menus, tool tip, scroll bar, filling in slices, dialogs."""
