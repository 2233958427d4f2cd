"""A door onto `sfos.config`, where all settings stand: `import config` in the checkout gives all of it."""

from __future__ import annotations

import sys

from sfos import config

if __name__ == "__main__":
    sys.stdout.write(config.example_toml())
else:
    sys.modules[__name__] = config
