import signal
import threading
from contextlib import suppress

import pytest

from theodolite.core.interrupts import heeding_interrupts


@pytest.fixture(autouse=True)
def ctrl_c():
    """Let Ctrl-C interrupt, as it does in a terminal; a shell that runs the tests behind it has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def interrupted_import():
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise ImportError("an extension module failed to import") from None


def test_what_a_library_makes_of_ctrl_c_is_ctrl_c_again():
    with pytest.raises(KeyboardInterrupt) as caught, heeding_interrupts():
        interrupted_import()
    assert isinstance(caught.value.__cause__, ImportError)


def test_blocks_inside_each_other_hear_it_all_and_only_since_they_began():
    with suppress(KeyboardInterrupt), heeding_interrupts() as outer:
        with suppress(KeyboardInterrupt), heeding_interrupts() as inner:
            interrupted_import()
        with heeding_interrupts() as later:
            heard = outer(), inner(), later()
    assert heard == (True, True, False)


def test_other_errors_pass_as_they_are():
    with pytest.raises(ImportError, match="no such module"), heeding_interrupts():
        raise ImportError("no such module")


def test_where_ctrl_c_is_ignored_and_in_other_threads_nothing_is_changed():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with heeding_interrupts() as interrupted:
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    heard = [interrupted()]

    def elsewhere():
        with heeding_interrupts() as there:
            heard.append(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
            heard.append(there())

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert heard == [False, True, False]
