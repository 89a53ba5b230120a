import importlib
import signal
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from theodolite.core.interrupts import (
    ENDINGS,
    TerminationError,
    ending_in_order,
    heeding_interrupts,
    importing_whole,
    keeping_handlers,
)

USUAL = [signal.default_int_handler, signal.SIG_DFL, signal.SIG_DFL]


def handlers():
    return [signal.getsignal(number) for number in ENDINGS]


@pytest.fixture(autouse=True)
def usual_handlers():
    """Let signals do what they do in a terminal; a shell that runs the tests behind it has Ctrl-C ignored."""
    before = [signal.signal(number, handler) for number, handler in zip(ENDINGS, USUAL, strict=True)]
    yield
    for number, handler in zip(ENDINGS, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def restored():
    """Hold a test to leaving the handlers as they were."""
    yield
    assert handlers() == USUAL


def interrupted_import(number=signal.SIGINT):
    try:
        signal.raise_signal(number)
    except KeyboardInterrupt:
        raise ImportError("an extension module failed to import") from None


def test_what_a_library_makes_of_ctrl_c_is_ctrl_c_again(restored):
    with pytest.raises(KeyboardInterrupt) as caught, heeding_interrupts():
        interrupted_import()
    assert isinstance(caught.value.__cause__, ImportError)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_asks_a_program_to_end_is_heard_as_a_ctrl_c_is_and_once(number):
    with ending_in_order():
        with pytest.raises(TerminationError, match=number.name) as caught, heeding_interrupts():
            interrupted_import(number)
        with heeding_interrupts() as interrupted:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGHUP)
    assert caught.value.number == number
    assert not interrupted()
    assert handlers() == [signal.SIG_DFL, signal.SIG_IGN, signal.SIG_IGN], "a program that ends, to its last moment"


def terminated_query():
    try:
        signal.raise_signal(signal.SIGTERM)
    except TerminationError:
        raise KeyboardInterrupt from None


def test_a_termination_that_a_library_takes_for_a_ctrl_c_stays_one():
    with pytest.raises(TerminationError, match="SIGTERM") as caught, ending_in_order(), heeding_interrupts():
        terminated_query()
    assert isinstance(caught.value.__cause__, KeyboardInterrupt)


def test_programs_that_ignore_or_handle_such_signals_are_left_alone(restored):
    heard = []
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: heard.append("their own"))
    with ending_in_order(), heeding_interrupts() as interrupted:
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)
    assert (heard, interrupted()) == (["their own"], False)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    before = []
    with ending_in_order():
        thread = threading.Thread(target=lambda: before.append(nested_handlers()))
        thread.start()
        thread.join()
        assert before == [handlers()]


def nested_handlers():
    with ending_in_order():
        return handlers()


IMPATIENT = """
import signal
from theodolite.core.interrupts import ending_in_order
signal.signal(signal.SIGINT, signal.default_int_handler)
with ending_in_order():
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.raise_signal(signal.SIGINT)
"""


def test_a_second_ctrl_c_ends_the_program_on_the_spot():
    done = subprocess.run([sys.executable, "-c", IMPATIENT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


def test_handlers_that_a_library_takes_are_given_back(restored):
    with keeping_handlers():
        for number in ENDINGS:
            signal.signal(number, signal.SIG_IGN)


def test_blocks_inside_each_other_hear_it_all_and_only_since_they_began(restored):
    with suppress(KeyboardInterrupt), heeding_interrupts() as outer:
        with suppress(KeyboardInterrupt), heeding_interrupts() as inner:
            interrupted_import()
        with heeding_interrupts() as later:
            heard = outer(), inner(), later()
    assert heard == (True, True, False)


def test_other_errors_pass_as_they_are(restored):
    with pytest.raises(ImportError, match="no such module"), heeding_interrupts():
        raise ImportError("no such module")


def test_where_ctrl_c_is_ignored_and_in_other_threads_nothing_is_changed(restored):
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


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package whose import is interrupted halfway, and which does not survive an exception there."""
    folder = tmp_path / "brittle_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("import signal\nfrom . import inner\nsignal.raise_signal(2)\nfinished = True\n")
    (folder / "inner.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder.name
    for name in [name for name in sys.modules if name.partition(".")[0] == folder.name]:
        del sys.modules[name]


def test_a_package_is_imported_to_its_end_before_ctrl_c_is_heard(restored, package):
    finders = list(sys.meta_path)
    heard = []
    signal.signal(signal.SIGINT, lambda *_: heard.append(sys.modules[package].finished))
    with importing_whole(package):
        module = importlib.import_module(package)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert heard == [True], "once for what came twice, and after the last line"
    assert module.__file__.endswith("__init__.py")
    assert list(module.__path__)
    assert sys.meta_path == finders


def test_ctrl_c_during_such_an_import_still_ends_what_imports(restored, package):
    with pytest.raises(KeyboardInterrupt), importing_whole(package):
        importlib.import_module(package)
    with pytest.raises(KeyboardInterrupt), importing_whole("another"):
        importlib.import_module(package)


def test_other_signals_wait_for_such_an_import_too(package, tmp_path):
    (tmp_path / package / "inner.py").write_text("import signal\nsignal.raise_signal(signal.SIGTERM)\n")
    finished = tmp_path / "finished"
    with (tmp_path / package / "__init__.py").open("a") as file:
        file.write(f"open({str(finished)!r}, 'x').close()\n")
    with pytest.raises(TerminationError, match="SIGTERM"), ending_in_order(), importing_whole(package):
        importlib.import_module(package)
    assert finished.exists()


def test_an_import_that_fails_says_so(restored, package, tmp_path):
    (tmp_path / package / "inner.py").write_text("raise ImportError('no such library')\n")
    with pytest.raises(ImportError, match="no such library"), importing_whole(package):
        importlib.import_module(package)
    with pytest.raises(ModuleNotFoundError, match="not_there"), importing_whole("not_there"):
        importlib.import_module("not_there")


def test_in_other_threads_imports_are_as_they_were(package, tmp_path):
    (tmp_path / package / "inner.py").write_text("import signal\nhandler = signal.getsignal(signal.SIGINT)\n")
    (tmp_path / package / "__init__.py").write_text("from .inner import handler\n")
    found = []
    with importing_whole(package):
        thread = threading.Thread(target=lambda: found.append(importlib.import_module(package).handler))
        thread.start()
        thread.join()
    assert found == [signal.default_int_handler]
