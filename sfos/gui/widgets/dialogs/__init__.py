"""Small dialogs above the window."""
