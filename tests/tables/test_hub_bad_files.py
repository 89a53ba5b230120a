"""Files on the Hub that lie or want to harm: refused within seconds, for a few kilobytes, with nothing left behind."""

import io
import json
import pickle
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from theodolite.core.errors import FormatError, NotFoundError, TheodoliteError, UnsafeFileError
from theodolite.tables import load_table

CONFIG = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": 2000, "n_embd": 16}
WTE = "transformer.wte.weight"


def with_header(header: dict, n_bytes: int, length: int | None = None) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + bytes(n_bytes)


def tensor(*shape: int, begin: int = 0, end: int | None = None) -> dict:
    n_bytes = 4 * shape[0] * shape[1] if len(shape) == 2 else 0
    return {"dtype": "F32", "shape": list(shape), "data_offsets": [begin, begin + n_bytes if end is None else end]}


SAFETENSORS: dict[str, tuple[bytes, str]] = {
    "offsets beyond the file": (
        with_header({WTE: tensor(2000, 16)}, 100),
        r"truncated or damaged: its header describes",
    ),
    "overlapping": (
        with_header({WTE: tensor(2000, 16), "b": tensor(2000, 16, begin=64)}, 128_064),
        r"the tensor 'b' at byte 64 overlaps",
    ),
    "shape that does not match": (with_header({WTE: tensor(2000, 17, end=128_000)}, 128_000), "needs 136000 bytes"),
    "100 GB": (
        with_header({WTE: tensor(50_000, 500_000)}, 128_000),
        r"describes 100000000000 bytes of tensors, but 128000",
    ),
    "a header of exabytes": (with_header({}, 1000, length=1 << 62), r"claims a header of 4611686018427387904 bytes"),
    "a header of 30 MB": (with_header({}, 40_000_000, length=30_000_000), r"and a header at most 25000000"),
    "negative": (with_header({WTE: tensor(2000, 16, begin=-4)}, 128_000), "are no sizes"),
    "no JSON": (struct.pack("<Q", 70_000) + b"{" * 70_000, "is not readable"),
    "empty": (b"", "is empty: 0 bytes"),
    "cut short": (b"\x10\0\0", "is truncated: 3 bytes"),
}


def torch_zip(
    content: bytes,
    members: dict[str, bytes] | None = None,
    *,
    compression: int = zipfile.ZIP_STORED,
    prefix: str = "archive",
) -> bytes:
    """Return a zip with a pickle and members of its own."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        archive.writestr(f"{prefix}/data.pkl", content)
        for name, value in (members or {}).items():
            archive.writestr(f"{prefix}/{name}", value)
    return out.getvalue()


class Call:
    """Pickles to the call of a function."""

    def __init__(self, function: Callable, *args: object) -> None:
        self.call = function, args

    def __reduce__(self) -> tuple:
        return self.call


def saved(state: object) -> bytes:
    out = io.BytesIO()
    torch.save(state, out)
    return out.getvalue()


def old(state: object) -> bytes:
    out = io.BytesIO()
    torch.save(state, out, _use_new_zipfile_serialization=False)
    return out.getvalue()


def without_member(content: bytes, dropped: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as target:
        for info in source.infolist():
            if not info.filename.endswith(dropped):
                target.writestr(info.filename, source.read(info))
    return out.getvalue()


def replaced(content: bytes, old_text: bytes, new_text: bytes) -> bytes:
    assert old_text in content
    return content.replace(old_text, new_text)


STATE = {WTE: torch.ones(2000, 16)}
BOMB = pickle.dumps({"a": Call(bytearray, 10**12)}, protocol=2)
TORCH: dict[str, tuple[bytes, type[Exception], str]] = {
    "a pickle that runs a command": (
        torch_zip(pickle.dumps(Call(__import__("os").system, "true"), protocol=2)),
        UnsafeFileError,
        r"cannot be read without running code that is inside it \(it asks for 'posix\.system'\)",
    ),
    "a protocol torch does not write": (torch_zip(pickle.dumps({"a": 1}, protocol=5)), UnsafeFileError, r"uses FRAME"),
    "a pickle of compressed gigabytes": (
        torch_zip(bytes(50_000_000), compression=zipfile.ZIP_DEFLATED),
        UnsafeFileError,
        r"holds the compressed member 'archive/data\.pkl'",
    ),
    "a pickle far too long": (torch_zip(bytes(9_000_000)), UnsafeFileError, r"has a data\.pkl of 9000000 bytes"),
    "a pickle without end": (torch_zip(b"\x80\x02]" + b"K\x01" * 10), FormatError, r"its pickle cannot be followed"),
    "endless steps": (torch_zip(b"\x80\x02" + b"N0" * 10), UnsafeFileError, r"uses POP"),
    "nothing in it": (torch_zip(pickle.dumps({"a": 1}, protocol=2)), FormatError, r"holds no tensors but a dict"),
    "memory that is only claimed": (torch_zip(BOMB), FormatError, r"holds no tensors but a dict"),
    "no pickle": (without_member(saved(STATE), "data.pkl"), FormatError, r"it has no data\.pkl"),
    "no numbers": (without_member(saved(STATE), "data/0"), FormatError, r"of the member data/0, which is missing"),
    "fewer numbers than claimed": (
        replaced(saved({WTE: torch.ones(20, 16)}), b"K\x14K\x10\x86", b"K\xffK\x10\x86"),
        FormatError,
        r"ends at byte 16320 of the member data/0, which has 1280 bytes",
    ),
    "one number for many": (
        saved({WTE: torch.ones(1, 1).expand(2000, 16)}),
        FormatError,
        r"repeats numbers: it claims 128,000 bytes of a few",
    ),
    "saved by old torch": (
        old(STATE),
        FormatError,
        r"torch before 1\.6 .* `hf download bad/model --revision [0-9a-f]{40}",
    ),
    "cut short": (saved(STATE)[:100_000], FormatError, r"is truncated or damaged"),
    "big-endian": (replaced(saved(STATE), b"little", b"bigbig"), FormatError, r"saved on a big-endian machine"),
    "a picture": (b"\x89PNG" + bytes(100_000), FormatError, r"is no zip"),
}


def publish(hub, tmp_path: Path, name: str, content: bytes, **others: bytes) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / name).write_bytes(content)
    for other, value in others.items():
        (folder / other).write_bytes(value)
    hub.add("bad/model", folder)


def refused(hub, tmp_path: Path, kind: type[Exception], message: str) -> None:
    """Expect a refusal that is quick, cheap, one paragraph, and leaves nothing of the weights."""
    began = time.process_time()
    with pytest.raises(kind, match=message) as caught:
        load_table("hub:bad/model")
    assert time.process_time() - began < 30, "seconds of work, the server's included"
    assert hub.sent < 400_000
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    left = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert not [path for path in left if path.suffix in (".part", ".tag", ".tmp", ".bin")], left


@pytest.mark.parametrize("name", SAFETENSORS)
def test_lying_headers(hub, tmp_path: Path, name: str) -> None:
    content, message = SAFETENSORS[name]
    publish(hub, tmp_path, "model.safetensors", content)
    refused(hub, tmp_path, FormatError, message)


@pytest.mark.parametrize("name", TORCH)
def test_torch_files(hub, tmp_path: Path, name: str) -> None:
    content, kind, message = TORCH[name]
    publish(hub, tmp_path, "pytorch_model.bin", content)
    if name == "one number for many":
        with pytest.raises(kind, match=message):
            load_table("hub:bad/model")
    else:
        refused(hub, tmp_path, kind, message)


@pytest.mark.parametrize("shard", ["../../etc/passwd", "/etc/passwd", "a\\b.safetensors", "..", "", "a/b.safetensors"])
def test_shards_that_lead_elsewhere(hub, tmp_path: Path, shard: str) -> None:
    index = json.dumps({"weight_map": {WTE: shard}}).encode()
    publish(hub, tmp_path, "model.safetensors.index.json", index)
    refused(hub, tmp_path, UnsafeFileError, r"which is not a plain file name")
    assert all("resolve" not in seen.path or "passwd" not in seen.path for seen in hub.requests)


def test_an_index_that_names_a_missing_shard(hub, tmp_path: Path) -> None:
    index = json.dumps({"weight_map": {WTE: "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}}).encode()
    publish(hub, tmp_path, "model.safetensors.index.json", index)
    refused(hub, tmp_path, NotFoundError, r"The shard model-1-of-2\.safetensors is missing in hub:bad/model@")


def test_an_index_that_names_the_wrong_shard(hub, tmp_path: Path) -> None:
    save_file({"other": torch.ones(2, 2)}, tmp_path / "shard")
    index = json.dumps({"weight_map": {WTE: "one.safetensors"}}).encode()
    publish(
        hub, tmp_path, "model.safetensors.index.json", index, **{"one.safetensors": (tmp_path / "shard").read_bytes()}
    )
    with pytest.raises(
        FormatError, match=r"says that 'transformer\.wte\.weight' is in one\.safetensors, but it is not"
    ):
        load_table("hub:bad/model")


def test_an_index_that_names_something_else(hub, tmp_path: Path) -> None:
    index = json.dumps({"weight_map": {WTE: "config.json"}}).encode()
    publish(hub, tmp_path, "model.safetensors.index.json", index)
    refused(hub, tmp_path, FormatError, r"config\.json is of a kind that is not read in parts")


def test_a_directory_that_leads_nowhere(hub, tmp_path: Path) -> None:
    content = saved(STATE)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        at = archive.getinfo("archive/data.pkl").header_offset
    publish(hub, tmp_path, "pytorch_model.bin", content[: at + 26] + b"\xff\xff" + content[at + 28 :])
    refused(hub, tmp_path, FormatError, r"its pickle cannot be followed|names a member .* where there is none")
    big = saved({"a": torch.ones(30_000, 2), WTE: torch.ones(2000, 16)})
    with zipfile.ZipFile(io.BytesIO(big)) as archive:
        at = archive.getinfo("archive/data/1").header_offset
    (tmp_path / "bad" / "pytorch_model.bin").write_bytes(big[:at] + b"XXXX" + big[at + 4 :])
    hub.add("bad/other", tmp_path / "bad")
    with pytest.raises(FormatError, match=r"its directory names a member 'archive/data/1' where there is none"):
        load_table("hub:bad/other")


def test_a_tokenizer_of_gigabytes(hub, tmp_path: Path) -> None:
    publish(hub, tmp_path, "model.safetensors", with_header({WTE: tensor(2000, 16)}, 128_000))
    with (tmp_path / "bad" / "tokenizer.json").open("wb") as file:
        file.truncate(3_000_000_000)
    refused(
        hub, tmp_path, FormatError, r"tokenizer\.json has 3,000,000,000 bytes; a tokenizer\.json has at most 64,000,000"
    )


def test_a_repository_without_weights(hub, tmp_path: Path) -> None:
    publish(hub, tmp_path, "README.md", b"# Nothing")
    refused(hub, tmp_path, NotFoundError, r"hub:bad/model@[0-9a-f]{12} holds no weights")


def test_several_files_and_no_index(hub, tmp_path: Path) -> None:
    publish(hub, tmp_path, "a.safetensors", b"", **{"b.safetensors": b""})
    refused(
        hub, tmp_path, NotFoundError, r"holds 2 weight files \(a\.safetensors, b\.safetensors\) .* Download the one"
    )


def test_names_of_files_that_a_file_system_could_misread(hub, tmp_path: Path) -> None:
    publish(hub, tmp_path, "model.safetensors", with_header({WTE: tensor(2000, 16)}, 128_000))

    def hostile(answer) -> bool:
        if not answer.path.startswith("/api/"):
            return False
        commit = next(iter(hub.repositories["bad/model"].folders))
        names = ["../../config.json", "/etc/config.json", "tokenizer.json\x00", "..", "a" * 500]
        listed = [{"rfilename": name, "size": 10, "blobId": "../" * 5} for name in names]
        answer._json({"id": "bad/model", "sha": commit, "siblings": listed})
        return True

    hub.faults.append(hostile)
    refused(hub, tmp_path, NotFoundError, "holds no weights")


@pytest.mark.parametrize("commit", ["../../../x", "main", "A" * 40, "", None])
def test_commits_that_are_none(hub, tmp_path: Path, commit: str | None) -> None:
    publish(hub, tmp_path, "model.safetensors", b"")
    hub.faults.append(lambda answer: not answer._json({"id": "bad/model", "sha": commit, "siblings": []}))
    refused(hub, tmp_path, TheodoliteError, "names no commit")
