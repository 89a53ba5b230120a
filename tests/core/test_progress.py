import pytest

from theodolite.core.progress import Progress, Silent, tracked


class Listener:
    def __init__(self):
        self.heard = []

    def start(self, total, label):
        self.heard.append(("start", total, label))

    def advance(self, steps, note=""):
        self.heard.append(("advance", steps, note))

    def stop(self):
        self.heard.append(("stop",))


def test_tracked_starts_and_stops():
    listener = Listener()
    with tracked(listener, 3, "rows") as progress:
        progress.advance(2)
        progress.advance(1, "last")
    assert listener.heard == [("start", 3, "rows"), ("advance", 2, ""), ("advance", 1, "last"), ("stop",)]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_tracked_stops_whatever_happens(error):
    listener = Listener()
    with pytest.raises(error), tracked(listener, 1, "rows"):
        raise error
    assert listener.heard[-1] == ("stop",)


def test_silent_says_nothing(capfd):
    silent: Progress = Silent()
    with tracked(silent, 2, "rows") as progress:
        progress.advance(2, "both")
    assert capfd.readouterr() == ("", "")
