"""A door onto `sfos.protocol`: `import protocol` in the checkout gives all of it."""

from __future__ import annotations

import sys

from sfos import protocol

sys.modules[__name__] = protocol
