"""The account's place in the window: sessions and usage."""
