"""Questions to the person: cards that cover the window until one is signed in, and small dialogs above it."""
