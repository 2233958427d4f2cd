"""Cards that cover the window until one is signed in."""
