"""Boosted trees scored by LightGBM's library, through its C interface.

LightGBM's package would import scikit-learn, SciPy and pandas first, which takes over a second and is for training alone; its library is
the same, and so is every bit that it gives. It needs a library of the system, and where that is missing, one sentence says so.

Source: LightGBM's C API, https://lightgbm.readthedocs.io/en/stable/C-API.html, which its package calls as well.
"""

from __future__ import annotations

import ctypes
import weakref
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from scorer.errors import UserError
from scorer.types.arrays import Floats

_MARGIN, _CONTRIBUTIONS = 1, 3  # C_API_PREDICT_RAW_SCORE, C_API_PREDICT_CONTRIB
_DOUBLE, _ROW_BY_ROW = 1, 1  # C_API_DTYPE_FLOAT64, is_row_major
_ALL_TREES = (0, -1)  # start_iteration, num_iteration
_ONE_THREAD = b"num_threads=1"


class LightGBMError(Exception):
    """What the library says of a model or of rows that it cannot take."""


def _loaded() -> ctypes.CDLL:
    """The library, from where the package has it."""
    try:
        package = find_spec("lightgbm")
        assert package is not None, "it is among what we require"
        folder = Path(str(package.origin)).parent
        library = ctypes.CDLL(str(next(folder.rglob("lib_lightgbm.so"), folder / "lib" / "lib_lightgbm.so")))
    except OSError as error:
        raise UserError(
            f"LightGBM cannot be loaded ({error}); install what it needs: on Debian, apt install libgomp1."
        ) from error
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library


_library = _loaded()


class Booster:
    """The trees of a model, from LightGBM's text of it; any number of threads may ask them at once."""

    def __init__(self, text: str) -> None:
        self._handle = ctypes.c_void_p()
        trees = ctypes.c_int()
        _call("LGBM_BoosterLoadModelFromString", text.encode(), ctypes.byref(trees), ctypes.byref(self._handle))
        weakref.finalize(self, _library.LGBM_BoosterFree, self._handle).atexit = False

    def margin(self, rows: Floats) -> Floats:
        """The sums over the trees for rows (n, f), on one thread: (n,), of several classes (n, k)."""
        return self._predicted(rows, _MARGIN)

    def contributions(self, rows: Floats) -> Floats:
        """The SHAP values of rows (n, f), bias last: (n, f + 1), of several classes (n, k * (f + 1))."""
        return self._predicted(rows, _CONTRIBUTIONS)

    def _predicted(self, rows: Floats, kind: int) -> Floats:
        rows = np.ascontiguousarray(rows, dtype=np.float64)
        height, width = (ctypes.c_int32(each) for each in rows.shape)
        length, filled = ctypes.c_int64(), ctypes.c_int64()
        _call("LGBM_BoosterCalcNumPredict", self._handle, height, kind, *_ALL_TREES, ctypes.byref(length))
        found = np.empty(length.value)
        into = found.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
        given = (ctypes.c_void_p(rows.ctypes.data), _DOUBLE, height, width, _ROW_BY_ROW)
        how = (kind, *_ALL_TREES, _ONE_THREAD)
        _call("LGBM_BoosterPredictForMat", self._handle, *given, *how, ctypes.byref(filled), into)
        return found if len(found) == len(rows) else found.reshape(len(rows), -1)


def _call(name: str, *arguments: Any) -> None:
    """Call a function of the library. Raises LightGBMError where it says that it failed."""
    if getattr(_library, name)(*arguments) != 0:
        raise LightGBMError(_library.LGBM_GetLastError().decode())
