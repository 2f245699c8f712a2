"""LightGBM. Its wheel needs a system library, and where that is missing, one sentence says so."""

from __future__ import annotations

from scorer.errors import UserError

try:
    import lightgbm
except OSError as error:
    raise UserError(
        f"LightGBM cannot be loaded ({error}); install what it needs: on Debian, apt install libgomp1."
    ) from error

__all__ = ("lightgbm",)
