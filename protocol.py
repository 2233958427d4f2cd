"""A door onto `sfos.protocol`: `import protocol` in the checkout gives all of it.

`python protocol.py` prints the table of commands.
"""

from __future__ import annotations

import sys

from sfos import protocol

if __name__ == "__main__":
    from sfos.programs.printing import print_commands

    sys.exit(print_commands())
else:
    sys.modules[__name__] = protocol
