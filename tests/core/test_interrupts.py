import importlib
import signal
import sys
import threading
from contextlib import suppress

import pytest

from theodolite.core.interrupts import heeding_interrupts, importing_whole


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


def test_a_package_is_imported_to_its_end_before_ctrl_c_is_heard(package):
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


def test_ctrl_c_during_such_an_import_still_ends_what_imports(package):
    with pytest.raises(KeyboardInterrupt), importing_whole(package):
        importlib.import_module(package)
    with pytest.raises(KeyboardInterrupt), importing_whole("another"):
        importlib.import_module(package)


def test_an_import_that_fails_says_so(package, tmp_path):
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
