"""Keep the advice and the progress bars of transformers out of the user's terminal."""

import contextlib
import logging
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence log messages below errors, warnings and progress bars inside the block; put everything back after it."""
    from transformers.utils import logging as transformers_logging  # noqa: PLC0415 (seconds)

    before = logging.root.manager.disable
    bars = transformers_logging.is_progress_bar_enabled()
    logging.disable(logging.WARNING)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        if bars:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
