"""A door onto `sfos.config`, where all settings stand: `import config` in the checkout gives all of it.

`python config.py` prints every setting, its value, and where that comes from.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sfos import config

if __name__ == "__main__":
    from sfos.programs.printing import print_settings

    sys.exit(print_settings(home=Path(__file__).resolve().parent))
else:
    sys.modules[__name__] = config
