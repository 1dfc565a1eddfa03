"""What is switched on in this thread: recording, and the backward sweep in progress."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any


class _State(threading.local):
    grad: bool = True  # whether operations are recorded
    run: Any = None  # the sweep in progress (graph.py)


STATE = _State()


class _Switch:
    """A context manager and decorator that records or does not; the old setting comes back after it."""

    enabled: bool

    def __enter__(self) -> None:
        self.before = STATE.grad
        STATE.grad = self.enabled

    def __exit__(self, *exception: Any) -> None:
        STATE.grad = self.before

    def __call__(self, f: Callable) -> Callable:
        @functools.wraps(f)
        def switched(*args: Any, **kwargs: Any) -> Any:
            with set_grad_enabled(self.enabled, now=False):
                return f(*args, **kwargs)

        return switched


class no_grad(_Switch):
    """Nothing is recorded inside: with torch.no_grad(): ..., or @torch.no_grad()."""

    enabled = False

    def __new__(cls, f: Callable | None = None) -> Any:
        return super().__new__(cls) if f is None else super().__new__(cls)(f)  # @torch.no_grad, bare


class enable_grad(no_grad):
    """Operations are recorded inside, also within no_grad."""

    enabled = True


class set_grad_enabled(_Switch):
    """Records or not from now on; as a context manager, until its end."""

    def __init__(self, mode: bool, *, now: bool = True):
        self.enabled = bool(mode)
        self.before = STATE.grad
        if now:
            STATE.grad = self.enabled

    def __enter__(self) -> None:
        STATE.grad = self.enabled

    def __call__(self, f: Callable) -> Callable:
        STATE.grad = self.before  # as a decorator it switches inside f alone
        return super().__call__(f)


inference_mode = no_grad


def is_grad_enabled() -> bool:
    """Whether operations are recorded in this thread."""
    return STATE.grad
