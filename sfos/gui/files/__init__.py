"""The files' place in the window: folders, lists, and what is done in them."""
