"""A process that does units for a driver: `python -m theodolite.runs.workers.worker DESCRIPTOR`.

It is told what to do over a socket, in JSON, and ends at once when the driver does, whatever it is doing: files of
units are there completely or not at all.
"""

import ctypes
import faulthandler
import json
import os
import signal
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

_PR_SET_PDEATHSIG = 1


def main(descriptor: int) -> None:
    """Do the units that come, until the driver closes the connection or one of them runs out of memory."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the driver decides
    _die_with_driver()
    faulthandler.enable()
    connection: Connection[Any, Any] = Connection(descriptor)
    inbox: SimpleQueue[dict[str, Any]] = SimpleQueue()
    threading.Thread(target=_listen, args=(connection, inbox), daemon=True).start()
    try:
        _serve(connection, inbox)
    except Exception as error:  # reported to the driver, which raises it
        _tell(connection, {"error": str(error) or type(error).__name__})
        raise
    os._exit(0)  # the driver waits for nothing more; libraries that tidy up at the end may take long


def _serve(connection: "Connection[Any, Any]", inbox: "SimpleQueue[dict[str, Any]]") -> None:
    from theodolite.runs.workers.recipe import (  # noqa: PLC0415 - polars and studies; may fail, and is told
        exhausted,
        open_parcel,
        outcome_of,
        work_of,
    )

    work = work_of(inbox.get())
    _tell(connection, {"ready": os.getpid()})
    spent = False
    while not spent:  # a process that ran out of memory begins nothing more, though the next unit may be here already
        parcel = inbox.get()
        _forget_what_was_said()
        content = open_parcel(work, parcel)
        _tell(connection, {"outcome": content})
        spent = exhausted(outcome_of(content))


def _forget_what_was_said() -> None:
    """Empty the file that this process prints to: after a death, the driver finds there what that unit said last."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        with suppress(OSError):
            os.ftruncate(stream.fileno(), 0)
            os.lseek(stream.fileno(), 0, os.SEEK_SET)


def _die_with_driver() -> None:
    """Have the kernel kill this process when the driver dies (Linux), even while it computes without Python."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _listen(connection: "Connection[Any, Any]", inbox: "SimpleQueue[dict[str, Any]]") -> None:
    """Take in messages; a closed connection means that the driver is gone or wants no more."""
    while True:
        try:
            inbox.put(json.loads(connection.recv_bytes()))
        except (EOFError, OSError):
            os._exit(0)


def _tell(connection: "Connection[Any, Any]", message: dict[str, Any]) -> None:
    with suppress(OSError):  # the driver is gone; the other thread ends this process
        connection.send_bytes(json.dumps(message).encode())


if __name__ == "__main__":
    main(int(sys.argv[1]))
