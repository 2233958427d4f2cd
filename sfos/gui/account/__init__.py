"""The account that is signed in: commands and what they do, its sessions, and how much it stores."""
