"""What a with-statement around transforms asks of them: to be watched, or to take zeros at their word.

Usually nothing is asked, and a transform learns so by reading one context variable. This file holds the
variable alone; what is done where something is asked stands in watch.py, strong.py and careful.py.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

AMBIENT: ContextVar[Any] = ContextVar("ambient", default=None)  # None, or a Careful (careful.py)
