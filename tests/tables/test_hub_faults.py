"""What a server, a connection or a login can do wrong: explained, tried again where it may pass, never for ever."""

import itertools
import logging
import socket
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import torch

from theodolite import bundled
from theodolite.core.errors import NotFoundError, ParameterError, ReferenceSyntaxError, RemoteError, TheodoliteError
from theodolite.tables import describe, expand, hub_patience, hub_request, load_table, model_folder
from theodolite.tables.hub_resolve import _resolve

NAME = "pocket/128"
REFERENCE = f"hub:{NAME}#output"


@pytest.fixture
def model(hub) -> Path:
    folder = bundled.path("pocket-128")
    hub.add(NAME, folder)
    for step in (1, 2, 512):
        hub.add(NAME, folder, revision=f"step{step}")
    return folder


def kept(tmp_path: Path) -> list[Path]:
    """Return the files of the cache that hold parts of weights."""
    return sorted(path for path in (tmp_path / "cache").rglob("parts/*/*") if path.is_file())


@lru_cache
def local(folder: Path) -> torch.Tensor:
    return load_table(f"{folder}#output").points


def same_as(folder: Path) -> bool:
    """Read the table from the Hub and compare it with that of the folder."""
    return torch.equal(load_table(REFERENCE).points, local(folder))


@pytest.mark.parametrize(
    ("settings", "token", "message"),
    [
        (
            {"gated": True},
            None,
            r"is gated: .* Ask for access at http://127.0.0.1:\d+/pocket/128\. Sign in with `hf auth",
        ),
        ({"gated": True}, "right", r"is gated: .* A token is set .*; check that its account has access\."),
        ({"private": True}, None, r"There is no model pocket/128 .*, or it is private\. .* If it is private: Sign in"),
        ({"private": True}, "wrong", r"does not let this account read hub:pocket/128 .*A token may have expired"),
    ],
)
def test_closed_doors(hub, model: Path, monkeypatch, settings: dict, token: str | None, message: str) -> None:
    hub.add(NAME, model, **settings)
    if token:
        monkeypatch.setenv("HF_TOKEN", hub.token if token == "right" else "hf_wrong")
    with pytest.raises(TheodoliteError, match=message) as caught:
        load_table(REFERENCE)
    assert "\n" not in str(caught.value)
    assert hub.waits == [], "what will not pass is not tried again"


def test_a_private_model_with_its_token_which_goes_nowhere_else(
    hub, model: Path, tmp_path: Path, monkeypatch, caplog
) -> None:
    hub.add(NAME, model, private=True)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    monkeypatch.setenv("HF_DEBUG", "1")
    caplog.set_level(logging.DEBUG)
    table = load_table(REFERENCE)
    assert same_as(model)
    asked = {(seen.host, seen.headers.get("authorization")) for seen in hub.requests}
    assert asked == {("hub", f"Bearer {hub.token}"), ("blobs", None)}
    hub.faults.append(lambda answer: answer.is_blobs and answer.refuse(403, "", "no"))
    with pytest.raises(RemoteError, match="status 403") as caught:
        load_table(f"hub:{NAME}@step1")
    raised = "".join(traceback.format_exception(caught.value))
    assert "SECRET-SIGNATURE" not in raised
    assert hub.token not in raised + caplog.text + repr(table.provenance)
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert hub.token.encode() not in written
    assert b"SECRET-SIGNATURE" not in written


def test_names_that_are_not_there(hub, model: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no model pocket/129 .* Check the spelling\. .* is written \./pocket/129"):
        load_table("hub:pocket/129")
    with pytest.raises(NotFoundError, match=r"pocket/128 has no revision 'step513' .* Revisions there: step512"):
        load_table(f"hub:{NAME}@step513")
    with pytest.raises(NotFoundError, match=r"no revision 'zzz' on the Hub\. Revisions there: .*main.*step1"):
        load_table(f"hub:{NAME}@zzz")
    with pytest.raises(NotFoundError, match=r"No revision matches 'epoch\*'\. Revisions there: step1, step2, step512"):
        expand(f"hub:{NAME}@epoch*")
    with pytest.raises(ReferenceSyntaxError, match="is not the name of a Hub repository"):
        load_table("hub:pocket/a--b")


def test_a_file_that_is_listed_and_gone(hub, model: Path, server) -> None:
    hub.faults.append(server.only("/resolve/", server.refusing(404, "EntryNotFound")))
    with pytest.raises(
        NotFoundError, match=r"There is no file config\.json in hub:pocket/128@[0-9a-f]{12}\. Its files"
    ):
        load_table(REFERENCE)


@pytest.mark.parametrize("part", ["/api/models/", "config.json", "model.safetensors"])
def test_a_busy_server_is_asked_again(hub, model: Path, server, part: str) -> None:
    hub.faults.append(server.times(2, server.only(part, server.refusing(503))))
    assert same_as(model)
    assert hub.waits == [0.5, 1.0]


def test_a_server_that_asks_to_wait_is_obeyed(hub, model: Path, server) -> None:
    hub.faults.append(server.times(1, server.only("model.safetensors", server.refusing(429, Retry_After="7"))))
    assert same_as(model)
    assert hub.waits == [7.0]


@pytest.mark.parametrize("part", ["/api/models/", "config.json", "model.safetensors"])
@pytest.mark.parametrize(
    ("status", "headers", "most", "message"),
    [
        (500, {}, 5, r"answered hub:pocket/128.* with status 500 again and again"),
        (429, {"Retry_After": "100"}, 4, r"asks to wait longer than five minutes"),
        (429, {"Retry_After": "100000"}, 1, r"asks to wait longer than five minutes"),
    ],
)
def test_but_not_for_ever(hub, model: Path, server, part, status, headers, most, message) -> None:
    hub.faults.append(server.only(part, server.refusing(status, **headers)))
    with pytest.raises(RemoteError, match=message):
        load_table(REFERENCE)
    assert sum(part in seen.path for seen in hub.requests) == most
    assert sum(hub.waits) <= 330


def test_a_connection_that_drops_is_gone_on_with(hub, model: Path, server) -> None:
    hub.faults.append(server.only(str(model / "model.safetensors"), server.setting(most=100_000)))
    assert same_as(model)
    ranges = [seen.headers["range"] for seen in hub.requests if seen.host == "blobs" and "model.safet" in seen.path]
    begins = [int(one.removeprefix("bytes=").split("-")[0]) for one in ranges]
    assert begins[1:] == [begins[1] + 100_000 * i for i in range(len(begins) - 1)], "each where the last one ended"
    n_bytes = load_table(REFERENCE).provenance["n_bytes"]
    assert (
        sum(seen.sent for seen in hub.requests if seen.host == "blobs" and "model.safet" in seen.path)
        < n_bytes + 100_000
    )


def test_what_came_before_a_broken_connection_is_not_fetched_again(hub, model: Path, server, tmp_path: Path) -> None:
    describe(REFERENCE)
    hub.faults.append(server.times(1, server.only(str(model / "model.safetensors"), server.setting(most=600_000))))
    hub.faults.append(_after(1))
    with pytest.raises(RemoteError, match="again and again"):
        load_table(REFERENCE)
    part = [path for path in kept(tmp_path) if path.suffix == ".part"]
    assert [path.stat().st_size for path in part] == [600_000]
    hub.faults.clear()
    hub.forget()
    assert same_as(model)
    n_bytes = load_table(REFERENCE).provenance["n_bytes"]
    assert hub.sent < n_bytes - 600_000 + 1000
    assert not [path for path in kept(tmp_path) if path.suffix in (".part", ".tag", ".tmp")]


def _after(n: int) -> Callable:
    """Return a fault that refuses weights after `n` requests for them."""
    seen = [0]

    def refuse(answer) -> bool:
        if not answer.is_blobs and "model.safetensors" in answer.path:
            seen[0] += 1
            return seen[0] > n and answer.refuse(503)
        return False

    return refuse


def test_slow_connections(hub, model: Path, server, monkeypatch) -> None:
    describe(REFERENCE)
    patient = hub_request.TIMEOUT

    def pause(seconds: float) -> None:
        hub.waits.append(seconds)
        monkeypatch.setattr(hub_request, "TIMEOUT", patient)

    monkeypatch.setattr(hub_patience, "pause", pause)
    monkeypatch.setattr(hub_request, "TIMEOUT", 0.2)
    held = server.setting(holds=lambda: not hub.waits)  # a piece, and then nothing until the client gives up
    hub.faults.append(server.only(str(model / "model.safetensors"), held))
    assert same_as(model)
    assert hub.waits == [0.5]


def test_a_connection_that_gives_next_to_nothing(hub, model: Path, server, monkeypatch) -> None:
    describe(REFERENCE)
    readings = itertools.count(step=10_000)  # seconds between two pieces, until the client gives up
    clock = SimpleNamespace(monotonic=lambda: 0 if hub.waits else next(readings))
    monkeypatch.setattr(hub_request, "time", clock)
    assert same_as(model)
    assert hub.waits == [0.5]


def test_a_server_that_ignores_ranges(hub, model: Path, server, tmp_path: Path) -> None:
    hub.faults.append(server.setting(ignore_range=True))
    with pytest.raises(RemoteError, match=r"ignores that only a part of .*/model\.safetensors is asked for"):
        load_table(REFERENCE)
    large = tmp_path / "large"
    large.mkdir()
    with (large / "model.safetensors").open("wb") as file:
        file.truncate(3_000_000_000)
    hub.add("large/model", large)
    hub.forget()
    with pytest.raises(RemoteError, match=r"would send all 3000000000 bytes"):
        load_table("hub:large/model")
    assert hub.sent < 30_000_000, "what the sockets of two processes hold"


def test_small_files_may_come_whole(hub, model: Path, server) -> None:
    hub.faults.append(server.only("json", server.setting(ignore_range=True)))
    assert same_as(model)


def test_a_file_that_changes_meanwhile(hub, model: Path, server, tmp_path: Path) -> None:
    describe(REFERENCE)
    hub.faults.append(server.only("model.safetensors", server.setting(etag_suffix="changed")))
    with pytest.raises(RemoteError, match=r"model\.safetensors changed while it was read"):
        load_table(REFERENCE)
    assert not [path for path in kept(tmp_path) if path.suffix in (".part", ".tag", ".tmp")]
    hub.faults.clear()
    assert same_as(model)


def test_a_part_of_a_file_that_changed_is_thrown_away(hub, model: Path, server, tmp_path: Path) -> None:
    describe(REFERENCE)
    hub.faults += [
        server.times(1, server.only(str(model / "model.safetensors"), server.setting(most=600_000))),
        server.only(
            "model.safetensors",
            lambda answer: (
                not answer.is_blobs
                and "changed" not in answer.etag_suffix
                and bool(hub.waits)
                and bool(setattr(answer, "etag_suffix", "changed"))
            ),
        ),
    ]
    with pytest.raises(RemoteError, match="changed while it was read"):
        load_table(REFERENCE)
    assert not [path for path in kept(tmp_path) if path.suffix == ".part"]


def wrong_range(stated: str) -> Callable:
    def answer_wrongly(answer) -> bool:
        if not answer.is_blobs or "model.safetensors" not in answer.path:
            return False
        answer._send(206, b"x" * 10, {"Content-Range": stated})
        return True

    return answer_wrongly


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ("bytes 5-14/{size}", "sends another part"),
        ("nonsense", "sends another part"),
        ("bytes 0-99999999/{size}", "sends another part"),
        ("bytes 0-9/77", r"has 77 bytes where it is stored, but the Hub lists"),
    ],
)
def test_a_server_that_sends_something_else(hub, model: Path, stated: str, message: str) -> None:
    size = (model / "model.safetensors").stat().st_size
    hub.faults.append(wrong_range(stated.format(size=size)))
    with pytest.raises(RemoteError, match=message):
        load_table(REFERENCE)


def test_a_server_that_has_less_than_it_lists(hub, model: Path, server) -> None:
    hub.faults.append(lambda answer: answer.is_blobs and answer.refuse(416))
    with pytest.raises(RemoteError, match="is shorter than the Hub says"):
        load_table(REFERENCE)


def test_another_commit_than_was_asked_for(hub, model: Path) -> None:
    def other_commit(answer) -> bool:
        if "config.json" not in answer.path:
            return False
        answer._send(200, b"{}", {"X-Repo-Commit": "0" * 40, "ETag": '"x"'})
        return True

    hub.faults.append(other_commit)
    with pytest.raises(RemoteError, match=r"config\.json changed while it was read"):
        load_table(REFERENCE)


def test_small_files_are_compared_with_their_hash(hub, model: Path, tmp_path: Path) -> None:
    length = (model / "config.json").stat().st_size

    def other_content(answer) -> bool:
        if "config.json" not in answer.path or "tokenizer" in answer.path:
            return False
        answer._send(200, b" " * length, {"X-Repo-Commit": next(iter(hub.repositories[NAME].folders))})
        return True

    hub.faults.append(other_content)
    with pytest.raises(RemoteError, match=r"config\.json is not what the Hub lists: its content has another hash"):
        load_table(REFERENCE)
    assert not list((tmp_path / "cache").rglob("config.json*"))
    hub.faults.clear()
    assert same_as(model)


def test_compressed_answers_are_refused(hub, model: Path) -> None:
    def compressed(answer) -> bool:
        return (
            not answer.is_blobs
            and "config.json" in answer.path
            and not answer._send(200, b"{}", {"Content-Encoding": "gzip"})
        )

    hub.faults.append(compressed)
    with pytest.raises(RemoteError, match=r"sends .*config\.json compressed although that was declined"):
        load_table(REFERENCE)


@pytest.mark.parametrize("body", [b"<html>Sign in to the hotel's network</html>", b"[]", b'{"id": "x/y"}'])
def test_something_that_is_no_hub(hub, model: Path, body: bytes) -> None:
    hub.faults.append(lambda answer: not answer._send(200, body, {"Content-Type": "application/json"}))
    with pytest.raises(RemoteError, match=r"The server at 127\.0\.0\.1:\d+ .* as a Hub would"):
        load_table(REFERENCE)


def test_a_server_that_is_not_there(hub, model: Path, monkeypatch) -> None:
    with socket.socket() as silent:  # a port that is taken, and where nobody listens
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        monkeypatch.setenv("HF_ENDPOINT", f"http://user:password@127.0.0.1:{port}")
        with pytest.raises(
            RemoteError, match=rf"The Hub at 127\.0\.0\.1:{port} could not be reached for hub:pocket/128"
        ) as caught:
            load_table(REFERENCE)
    assert "password" not in "".join(traceback.format_exception(caught.value))
    assert len(hub.waits) == 4
    monkeypatch.setenv("HF_ENDPOINT", "ftp://example.org")
    with pytest.raises(ParameterError, match="HF_ENDPOINT is set to something that is no address"):
        load_table(REFERENCE)


def test_the_endpoint_is_looked_up_at_each_call(hub, model: Path, server, tmp_path: Path, monkeypatch) -> None:
    assert same_as(model)
    with pytest.MonkeyPatch.context() as patch, server.serving(tmp_path, patch) as other:
        other.add(NAME, bundled.path("pocket-64"))
        assert load_table(REFERENCE).n_dims == 64
    assert load_table(REFERENCE).n_dims == 128


def test_sizes_that_the_list_leaves_out_are_asked_for(hub, model: Path) -> None:
    hub.add(NAME, model, tells_sizes=False)
    assert same_as(model)
    assert {seen.method for seen in hub.requests} == {"GET", "HEAD"}


def test_sizes_that_nobody_tells(hub, model: Path) -> None:
    hub.add(NAME, model, tells_sizes=False)
    hub.faults.append(lambda answer: answer.command == "HEAD" and answer.send_nothing())
    with pytest.raises(RemoteError, match=r"The server does not say how many bytes hub:pocket/128@.*/config\.json has"):
        load_table(REFERENCE)


@pytest.mark.parametrize(
    ("status", "message", "said"),
    [
        (403, "Access to this resource is disabled.", "was disabled and cannot be read"),
        (400, "", "with status 400. Check"),
    ],
)
def test_other_refusals(hub, model: Path, server, status: int, message: str, said: str) -> None:
    hub.faults.append(server.refusing(status, "", message=message))
    with pytest.raises(RemoteError, match=said):
        load_table(REFERENCE)


def test_a_whole_model_from_a_server_that_goes_away(hub, model: Path, server, monkeypatch) -> None:
    describe(REFERENCE)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    hub.faults.append(server.refusing(503))
    with pytest.raises(RemoteError, match="with status 503 again and again"):
        model_folder(f"hub:{NAME}")


def test_two_at_once_fetch_once(hub, model: Path) -> None:
    describe(REFERENCE)
    hub.forget()
    with ThreadPoolExecutor(4) as pool:
        tables = list(pool.map(lambda _: load_table(REFERENCE), range(4)))
    assert all(torch.equal(table.points, local(model)) for table in tables)
    assert hub.sent < 1.1 * tables[0].provenance["n_bytes"]


def test_a_model_that_was_renamed_is_followed(hub, model: Path, server) -> None:
    """The Hub answers the old name with the way to the new one, and only then with where the blob is."""

    def moved(answer) -> bool:
        if answer.is_blobs or "/old/name" not in answer.path:
            return False
        answer._send(307, b"", {"Location": answer.path.replace("/old/name", f"/{NAME}")})
        return True

    hub.faults.append(moved)
    hub.faults.append(server.only(str(model / "model.safetensors"), server.setting(most=600_000)))
    assert torch.equal(load_table("hub:old/name#output").points, local(model))


def test_a_full_disk(hub, model: Path, tmp_path: Path, monkeypatch) -> None:
    describe(REFERENCE)
    usage = type("Usage", (), {"free": 64_000_000 + 1000})
    monkeypatch.setattr(hub_request.__package__ + ".hub_stretches.shutil.disk_usage", lambda _: usage)
    with pytest.raises(
        RemoteError, match=r"1,048,576 bytes are to be fetched, .* has 64,001,000 left.*THEODOLITE_CACHE"
    ):
        load_table(REFERENCE)


def test_a_cache_that_cannot_be_written(hub, model: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file is in the way")
    with pytest.raises(RemoteError, match=r"The cache at .* cannot be written: .*Set THEODOLITE_CACHE"):
        load_table(REFERENCE)


def test_a_branch_that_moved_is_read_at_its_new_commit_by_a_new_process(hub, model: Path) -> None:
    first = load_table(REFERENCE).provenance["commit"]
    second = hub.add(NAME, bundled.path("pocket-64"))
    assert load_table(REFERENCE).provenance["commit"] == first, "within a process a branch stands still"
    _resolve.cache_clear()
    assert load_table(REFERENCE).provenance["commit"] == second
    assert load_table(f"hub:{NAME}@{first}#output").n_dims == 128


def test_no_network_is_touched_in_offline_mode(hub, model: Path, monkeypatch) -> None:
    load_table(REFERENCE)
    hub.forget()
    for how in ("variable", "constant"):
        _resolve.cache_clear()
        if how == "variable":
            monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        else:
            monkeypatch.delenv("HF_HUB_OFFLINE")
            monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        assert same_as(model)
        assert expand(f"hub:{NAME}@m*")[0].revision is None
        with pytest.raises(
            NotFoundError, match=r"Offline mode is on .*: its tensor gpt_neox\.embed_in\.weight \(1,048,576 b"
        ):
            load_table(f"hub:{NAME}#input")
        with pytest.raises(
            NotFoundError, match=r"Offline mode is on .* hub:pocket/128@step1 cannot be read from the cac"
        ):
            load_table(f"hub:{NAME}@step1")
        with pytest.raises(NotFoundError, match=r"Unset HF_HUB_OFFLINE once to fetch it"):
            load_table("hub:never/seen")
    assert hub.requests == []
