"""A table of a large checkpoint costs the table: neither the rest of the file nor a copy of it is read.

The files are sparse: 10 GB that take no disk. Reading is measured in a process of its own, in two ways: the growth of
memory (pages of the file that were touched; all resident memory, copies included) and the bytes that passed through
`read`.
"""

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="needs /proc/self/io (Linux)")

ROWS, DIMS, LAYERS = 4096, 512, 20
TABLE = ROWS * DIMS * 4  # 8 MiB
LAYER = 1 << 29  # 512 MiB each
MEASURE = """
import sys
import torch
from theodolite.tables import describe, load_table
from pathlib import Path

def spent():
    mapped, resident, counted = 0, 0, False  # counted page by page: other files tell what some cores did not add up yet
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if not line.split()[0].endswith(":"):
            counted = "/large/" in line
        elif line.startswith("Rss:"):
            resident += int(line.split()[1]) * 1024
            mapped += int(line.split()[1]) * 1024 * counted
    read = int(Path("/proc/self/io").read_text().split()[1])
    return mapped, resident, read

warm, reference, act = sys.argv[1:]
describe(warm)  # imports and code pages are not what is measured
float(load_table(warm).points.sum())
before = spent()
if act == "load":
    table = load_table(reference)
    assert table.points.shape == (4096, 512), table.points.shape
    float(table.points.sum())
else:
    assert describe(reference).n_bytes_total > 10_000_000_000
after = spent()
print(*(b - a for a, b in zip(before, after)))
"""


def write_sparse(path: Path, tensors: dict[str, tuple[int, ...]]) -> None:
    """Write a safetensors file whose tensors are holes."""
    header, at = {}, 0
    for name, shape in tensors.items():
        size = 4
        for length in shape:
            size *= length
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + at)


def write_model(folder: Path, n_layers: int, *, sharded: bool = False) -> Path:
    folder.mkdir()
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": ROWS, "hidden_size": DIMS}
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}))
    layers = {f"model.layers.{i}.mlp.up_proj.weight": (LAYER // 4 // DIMS, DIMS) for i in range(n_layers)}
    half = n_layers // 2
    names = list(layers)
    tensors = {name: layers[name] for name in names[:half]}
    tensors |= {"model.embed_tokens.weight": (ROWS, DIMS), "lm_head.weight": (ROWS, DIMS)}
    tensors |= {name: layers[name] for name in names[half:]}
    if not sharded:
        write_sparse(folder / "model.safetensors", tensors)
        return folder
    shards = {name: f"model-{i % 5:05}.safetensors" for i, name in enumerate(tensors)}
    for shard in set(shards.values()):
        write_sparse(folder / shard, {name: tensors[name] for name in tensors if shards[name] == shard})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    return folder


def measure(warm: Path, reference: str, act: str) -> tuple[int, int, int]:
    """Return file pages touched, growth of resident memory and bytes read, of one act in a fresh process."""
    command = [sys.executable, "-c", MEASURE, str(warm), reference, act]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    mapped, resident, read = map(int, done.stdout.split())
    return mapped, resident, read


@pytest.mark.parametrize("form", ["one file", "sharded"])
def test_ten_gigabytes_of_safetensors(form: str, tmp_path: Path) -> None:
    warm = write_model(tmp_path / "warm", 0)
    folder = write_model(tmp_path / "large", LAYERS, sharded=form == "sharded")
    assert sum(path.stat().st_size for path in folder.iterdir()) > 10_000_000_000
    mapped, resident, read = measure(warm, f"{folder}#output", "load")
    assert TABLE <= mapped < TABLE + 200_000
    assert TABLE <= resident < TABLE + 4_000_000
    assert read < 1_000_000
    mapped, resident, read = measure(warm, str(folder), "describe")
    assert mapped == 0
    assert resident < 4_000_000
    assert read < 1_000_000


def test_large_torch_zip(tmp_path: Path) -> None:
    """The same for `torch.save`: one member of the zip is mapped."""
    warm = write_model(tmp_path / "warm", 0)
    folder = write_model(tmp_path / "large", 0)
    (folder / "model.safetensors").unlink()
    large = torch.UntypedStorage.from_file(str(tmp_path / "holes"), shared=True, nbytes=1 << 27)
    state = {f"model.layers.{i}.mlp.up_proj.weight": torch.empty(0) for i in range(2)}
    for name in state:
        state[name] = torch.empty(0, dtype=torch.float32).set_(large).reshape(-1, DIMS)
    state["model.embed_tokens.weight"] = torch.ones(ROWS, DIMS)
    state["lm_head.weight"] = torch.ones(ROWS, DIMS)
    torch.save(state, folder / "pytorch_model.bin")
    assert (folder / "pytorch_model.bin").stat().st_size > 100_000_000
    mapped, resident, read = measure(warm, str(folder), "load")
    assert TABLE <= mapped < TABLE + 1_000_000
    assert resident < TABLE + 20_000_000  # torch's zip reader and unpickler are imported too
    assert read < 2_000_000
