"""A table on the Hub costs its bytes and little more: counted by the server that sends them."""

import json
import os
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from theodolite.tables import describe, expand, load_table, reporting_to

ROWS, DIMS = 4096, 512
TABLE = ROWS * DIMS * 4
LAYER = 1 << 29
N_LAYERS = 4
LITTLE = 1_000_000


def write_sparse(path: Path, tensors: dict[str, tuple[int, ...]]) -> dict[str, int]:
    """Write a safetensors file of holes; return where each tensor begins."""
    header, at = {}, 0
    for name, shape in tensors.items():
        size = 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + at)
    return {name: 8 + len(text) + one["data_offsets"][0] for name, one in header.items()}


@pytest.fixture
def large_model(tmp_path: Path) -> Path:
    """Write 2 GB in five shards, with numbers in the two tables only."""
    folder = tmp_path / "large"
    folder.mkdir()
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": ROWS, "hidden_size": DIMS}
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}))
    tensors = {f"model.layers.{i}.mlp.up_proj.weight": (LAYER // 4 // DIMS, DIMS) for i in range(N_LAYERS)}
    tensors |= {"model.embed_tokens.weight": (ROWS, DIMS), "lm_head.weight": (ROWS, DIMS)}
    shards = {name: f"model-{i % 5:05}-of-00005.safetensors" for i, name in enumerate(tensors)}
    generator = np.random.default_rng(0)
    for shard in sorted(set(shards.values())):
        begins = write_sparse(folder / shard, {name: tensors[name] for name in tensors if shards[name] == shard})
        for name in set(begins) & {"model.embed_tokens.weight", "lm_head.weight"}:
            with (folder / shard).open("r+b") as file:
                file.seek(begins[name])
                file.write(generator.normal(size=(ROWS, DIMS)).astype(np.float32).tobytes())
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    return folder


def test_a_table_of_two_gigabytes_in_shards(hub, large_model: Path) -> None:
    assert sum(path.stat().st_size for path in large_model.iterdir()) > 2_000_000_000
    hub.add("large/model", large_model)
    for which in ("input", "output"):
        hub.forget()
        table = load_table(f"hub:large/model#{which}")
        assert TABLE <= hub.sent < TABLE + LITTLE
        assert torch.equal(table.points, load_table(f"{large_model}#{which}").points)
    hub.forget()
    assert load_table("hub:large/model").n_tokens == ROWS
    assert hub.sent == 0, "nothing is fetched twice"


def test_inspecting_two_gigabytes_fetches_headers(hub, large_model: Path) -> None:
    hub.add("large/model", large_model)
    found = describe("hub:large/model")
    assert hub.sent < LITTLE
    assert (found.n_bytes_read, found.n_bytes_total) == (TABLE, N_LAYERS * LAYER + 2 * TABLE)
    assert (found.input, found.output, found.tied) == ("model.embed_tokens.weight", "lm_head.weight", False)
    assert found.place.startswith("hub:large/model@")


@pytest.fixture
def checkpoints(tmp_path: Path) -> tuple[list[Path], int]:
    """Write 20 revisions of a model as torch.save writes them: 7 MB each, 512 kB of them the table that is wanted."""
    n_rows, n_dims = 1024, 128
    config = {"model_type": "gpt_neox", "architectures": ["GPTNeoXForCausalLM"], "vocab_size": n_rows}
    state = {"gpt_neox.embed_in.weight": torch.full((n_rows, n_dims), 12345.5)}
    state |= {f"gpt_neox.layers.{i}.mlp.dense.weight": torch.zeros(1024, 512) for i in range(3)}
    state["embed_out.weight"] = torch.ones(n_rows, n_dims)
    base = tmp_path / "base.bin"
    torch.save(state, base)
    at = base.read_bytes().index(np.full(64, 12345.5, np.float32).tobytes())
    folders = []
    for i in range(20):
        folder = tmp_path / f"revision{i}"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}))
        shutil.copyfile(base, folder / "pytorch_model.bin")
        with (folder / "pytorch_model.bin").open("r+b") as file:
            file.seek(at)
            file.write(np.random.default_rng(i).normal(size=(n_rows, n_dims)).astype(np.float32).tobytes())
        folders.append(folder)
    return folders, n_rows * n_dims * 4


def test_twenty_revisions_of_torch_files(hub, checkpoints: tuple[list[Path], int]) -> None:
    folders, n_bytes = checkpoints
    for i, folder in enumerate(folders):
        hub.add("old/model", folder, revision=f"step{1000 * i}")
    hub.add("old/model", folders[-1], revision="main")
    references = expand("hub:old/model@step*")
    assert [one.revision for one in references] == [f"step{1000 * i}" for i in range(20)]
    for reference, folder in zip(references, folders, strict=True):
        before = hub.sent
        table = load_table(reference)
        assert n_bytes <= hub.sent - before < n_bytes + LITTLE
        assert torch.equal(table.points, load_table(folder).points)
        assert table.provenance["format"] == "torch"
    whole = sum((folder / "pytorch_model.bin").stat().st_size for folder in folders)
    assert hub.sent < 20 * (n_bytes + LITTLE) < 0.3 * whole


def test_bytes_are_reported_as_they_come(hub, large_model: Path) -> None:
    class Listener:
        def __init__(self) -> None:
            self.started: list[tuple[int, str]] = []
            self.steps: list[int] = []
            self.stopped = 0

        def start(self, total: int, label: str) -> None:
            self.started.append((total, label))

        def advance(self, steps: int, note: str = "") -> None:  # noqa: ARG002
            self.steps.append(steps)

        def stop(self) -> None:
            self.stopped += 1

    hub.add("large/model", large_model)
    listener = Listener()
    with reporting_to(listener):
        load_table("hub:large/model")
    assert listener.started == [(TABLE, "tensor model.embed_tokens.weight of large/model")]
    assert sum(listener.steps) == TABLE
    assert 2 <= len(listener.steps) <= 110
    assert listener.stopped == 1


def test_tied_tables_that_are_stored_twice_are_compared_in_a_few_rows(hub, tmp_path: Path) -> None:
    folder = tmp_path / "tied"
    folder.mkdir()
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": ROWS}
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}))
    names = ("lm_head.weight", "model.embed_tokens.weight")
    write_sparse(folder / "model.safetensors", dict.fromkeys(names, (ROWS, DIMS)))
    hub.add("tied/model", folder)
    found = describe("hub:tied/model")
    assert found.tied is True
    assert hub.sent < 200_000 < TABLE
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(struct.pack("<f", 1.0))
    hub.add("tied/other", folder)
    assert describe("hub:tied/other").tied is False
