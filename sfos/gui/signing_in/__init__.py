"""The way in: the gate over the window with its cards (address, trust, sign-in, new password), and their presenter."""
