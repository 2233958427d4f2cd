"""How the window looks: palette, theme and styles, icons, scaling, and kinds of files with their icons."""
