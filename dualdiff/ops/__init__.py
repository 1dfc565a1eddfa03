"""The facts: every op that dualdiff differentiates, one file a chapter. Rules here are plain NumPy."""
