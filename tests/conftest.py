"""No test reads or writes the cache of encoded data of the user; a test of the cache names a folder of its own."""

from __future__ import annotations

import os

os.environ["RECURRA_CACHE"] = "off"
