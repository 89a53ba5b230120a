"""Numbers for the page's script in few bytes: whole numbers of two or four bytes, as base64."""

import base64
from collections.abc import Iterable

import numpy as np


def packed_numbers(values: Iterable[float | None], *, whole: bool = False) -> dict[str, float | int | str]:
    """Pack numbers for the script of a page.

    Parameters
    ----------
    values : iterable of float or None
        None, NaN and infinities are all missing.
    whole : bool
        Whether these are whole numbers of at least 0 to keep as they are. Others are kept to 1 in 65,000 of their
        range.

    Returns
    -------
    dict
        `data`: little-endian numbers of `width` bytes as base64, the largest one for a missing value; a value is `low`
        plus `step` times the number.

    Examples
    --------
    >>> packed_numbers([0, 2, None], whole=True)
    {'data': 'AAACAP//', 'width': 2, 'low': 0, 'step': 1}
    """
    given = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    known = np.isfinite(given)
    low = 0.0 if whole or not known.any() else float(given[known].min())
    high = float(given[known].max()) if known.any() else 0.0
    width = 4 if whole and high >= np.iinfo(np.uint16).max else 2
    dtype = np.dtype("<u2" if width == 2 else "<u4")
    missing = np.iinfo(dtype).max
    step = 1.0 if whole else (high - low) / (missing - 1) or 1.0
    codes = np.full(len(given), missing, dtype=dtype)
    codes[known] = np.rint((given[known] - low) / step).astype(dtype)
    data = base64.b64encode(codes.tobytes()).decode()
    if whole:
        return {"data": data, "width": width, "low": 0, "step": 1}
    return {"data": data, "width": width, "low": _six(low), "step": _six(step)}


def _six(value: float) -> float:
    return float(f"{value:.6g}")
