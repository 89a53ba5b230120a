"""What stays on this machine of models on the Hub: read again without the network, listed, and given back."""

import shutil
from pathlib import Path

import huggingface_hub
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
    T5Config,
    T5ForConditionalGeneration,
    XGLMConfig,
    XGLMForCausalLM,
)

from theodolite import bundled
from theodolite.core.errors import FormatError, NotFoundError, RemoteError
from theodolite.tables import cache_folder, cache_size, cached_models, clear_cache, expand, load_table, model_folder
from theodolite.tables.hub_resolve import _resolve

NAME = "pocket/64"


@pytest.fixture
def model(hub) -> Path:
    folder = bundled.path("pocket-64")
    hub.add(NAME, folder)
    return folder


def parts(suffix: str) -> list[Path]:
    return sorted(cache_folder().rglob(f"parts/*/*{suffix}"))


def test_provenance_pins_the_commit(hub, model: Path) -> None:
    table = load_table(f"hub:{NAME}#output")
    commit = hub.repositories[NAME].commits["main"]
    said = table.provenance
    assert (said["reference"], said["repository"], said["commit"]) == (f"hub:{NAME}#output", NAME, commit)
    assert said["revision"] is None
    assert said["endpoint"] == hub.endpoint.removeprefix("http://")
    assert said["file"] == f"hub:{NAME}@{commit[:12]}/model.safetensors"
    local = load_table(f"{model}#output")
    assert said["sha256"] == local.provenance["sha256"]
    assert table.content == local.content, "the same table from another place is the same table"


def test_a_damaged_part_is_fetched_again(hub, model: Path) -> None:
    load_table(f"hub:{NAME}#output")
    largest = max(parts(".bin"), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[1000] ^= 1
    largest.write_bytes(content)
    hub.forget()
    assert torch.equal(load_table(f"hub:{NAME}#output").points, load_table(f"{model}#output").points)
    assert len(content) <= hub.sent < len(content) + 100
    largest.with_suffix(".json").write_text("{")
    hub.forget()
    load_table(f"hub:{NAME}#output")
    assert len(content) <= hub.sent < len(content) + 100
    largest.write_bytes(content[:-1])
    load_table(f"hub:{NAME}#output")
    assert largest.stat().st_size == len(content)


def test_tables_are_mapped_and_cannot_change_what_is_kept(hub, model: Path) -> None:
    table = load_table(f"hub:{NAME}#output")
    table.points[0, 0] += 1
    assert not torch.equal(table.points, load_table(f"hub:{NAME}#output").points)


def test_tokenizers_that_are_the_same_are_kept_once(hub, model: Path) -> None:
    for step in range(3):
        hub.add(NAME, model, revision=f"step{step}")
    for reference in expand(f"hub:{NAME}@step*"):
        load_table(reference)
    assert sum("tokenizer.json" in seen.path and seen.host == "hub" for seen in hub.requests) == 1
    assert len({path.stat().st_ino for path in cache_folder().rglob("files/tokenizer.json")}) == 1
    assert len(list(cache_folder().rglob("files/tokenizer.json"))) == 3


def test_listing_and_clearing(hub, model: Path) -> None:
    assert cached_models() == ()
    assert cache_size() == 0
    load_table(f"hub:{NAME}#output")
    hub.add(NAME, bundled.path("pocket-128", "step0"), revision="step0")
    hub.add("other/model", model)
    load_table(f"hub:{NAME}@step0")
    load_table("hub:other/model")
    listed = cached_models()
    assert [(one.repository, one.revisions) for one in listed] == [
        ("other/model", ("main",)),
        *sorted(
            [(NAME, ("main",)), (NAME, ("step0",))],
            key=lambda pair: hub.repositories[NAME].commits[pair[1][0]],
        ),
    ]
    [main] = [one for one in listed if one.repository == NAME and one.revisions == ("main",)]
    assert main.tensors == ("embed_out.weight",)
    assert main.n_unfinished == 0
    assert main.n_bytes > load_table(f"hub:{NAME}#output").provenance["n_bytes"]
    assert main.server == hub.endpoint.removeprefix("http://").replace(":", "_")
    before = cache_size()
    freed = clear_cache(NAME, commit=main.commit[:8])
    assert 0 < freed == before - cache_size()
    assert main.commit not in {one.commit for one in cached_models()}
    with pytest.raises(
        NotFoundError, match=r"Nothing of gone/model is in the cache at .*There is: other/model, pocket/64"
    ):
        clear_cache("gone/model")
    assert clear_cache() > 0
    assert (cached_models(), cache_size()) == ((), 0)
    _resolve.cache_clear()
    assert load_table(f"hub:{NAME}#output").n_dims == 64


def test_what_huggingface_hub_has_downloaded_is_used_as_it_is(hub, model: Path, monkeypatch) -> None:
    folder = Path(huggingface_hub.snapshot_download(NAME, endpoint=hub.endpoint))
    hub.forget()
    table = load_table(f"hub:{NAME}#output")
    assert "blobs" not in {seen.host for seen in hub.requests}
    assert table.provenance["commit"] == folder.name
    shutil.rmtree(cache_folder())
    _resolve.cache_clear()
    hub.forget()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    table = load_table(f"hub:{NAME}#output")
    assert table.provenance["commit"] == folder.name
    assert hub.requests == []


def write(model, folder: Path, form: str) -> Path:
    """Save a model as the Hub would have it."""
    folder.mkdir(exist_ok=True)
    if "torch" in form:
        model.save_pretrained(folder / "base")
        shutil.copyfile(folder / "base" / "config.json", folder / "config.json")
        shutil.rmtree(folder / "base")
        state = model.state_dict()
        if form == "torch":
            torch.save(state, folder / "pytorch_model.bin")
            return folder
        names = list(state)
        shards = {name: f"pytorch_model-{1 + i % 3:05}-of-00003.bin" for i, name in enumerate(names)}
        for shard in set(shards.values()):
            torch.save({name: state[name] for name in names if shards[name] == shard}, folder / shard)
        text = str({"weight_map": shards}).replace("'", '"')
        (folder / "pytorch_model.bin.index.json").write_text(text)
        return folder
    model.save_pretrained(folder, max_shard_size="20KB" if form == "safetensors shards" else "5GB")
    return folder


FORMS = ("safetensors", "safetensors shards", "torch", "torch shards")


@pytest.mark.parametrize("form", FORMS)
def test_untied_and_tied_models_in_every_form(hub, tmp_path: Path, form: str) -> None:
    torch.manual_seed(0)
    sizes = {"vocab_size": 99, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}
    untied = GPTNeoXForCausalLM(GPTNeoXConfig(num_hidden_layers=2, tie_word_embeddings=False, **sizes))
    tied = T5ForConditionalGeneration(
        T5Config(vocab_size=99, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, tie_word_embeddings=True)
    )
    for name, model in (("untied", untied), ("tied", tied)):
        folder = write(model, tmp_path / name, form)
        hub.add(f"tiny/{name}", folder)
        for which in ("input", "output"):
            there, here = load_table(f"hub:tiny/{name}#{which}"), load_table(f"{folder}#{which}")
            assert torch.equal(there.points, here.points)
            for said in ("tensor", "which", "tied", "found_by", "dtype", "sha256", "format"):
                assert there.provenance[said] == here.provenance[said], said
        expected = model.get_output_embeddings().weight
        assert torch.equal(load_table(f"hub:tiny/{name}#output").points, expected.detach())
    named = load_table("hub:tiny/untied#gpt_neox.layers.0.mlp.dense_h_to_4h.weight")
    assert torch.equal(named.points, untied.gpt_neox.layers[0].mlp.dense_h_to_4h.weight.detach())


@pytest.mark.parametrize("form", ["safetensors shards", "torch"])
def test_an_architecture_that_transformers_must_be_asked_about(hub, tmp_path: Path, form: str) -> None:
    config = XGLMConfig(vocab_size=99, d_model=16, ffn_dim=32, num_layers=1, attention_heads=2)
    folder = write(XGLMForCausalLM(config), tmp_path / "model", form)
    hub.add("tiny/xglm", folder)
    for which in ("input", "output"):
        there, here = load_table(f"hub:tiny/xglm#{which}"), load_table(f"{folder}#{which}")
        assert there.provenance["found_by"] == "transformers"
        assert there.provenance["embedding_scale"] == here.provenance["embedding_scale"]
        assert torch.equal(there.points, here.points)


def test_a_text_model_inside_another(hub, tmp_path: Path) -> None:
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {"model_type": "llama", "vocab_size": 99, **sizes}
    vision = {"model_type": "clip_vision_model", "image_size": 8, "patch_size": 4, **sizes}
    model = LlavaForConditionalGeneration(LlavaConfig(text_config=text, vision_config=vision, image_token_index=98))
    folder = write(model, tmp_path / "model", "safetensors")
    hub.add("tiny/llava", folder)
    table = load_table("hub:tiny/llava")
    assert "language_model" in table.provenance["tensor"]
    assert torch.equal(table.points, model.get_input_embeddings().weight.detach())


def test_a_whole_model_in_one_format_of_weights(hub, tmp_path: Path, monkeypatch) -> None:
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=99, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    model = GPTNeoXForCausalLM(config)
    folder = write(model, tmp_path / "model", "safetensors shards")
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    (folder / "training_args.bin").write_bytes(b"x" * 100)
    (folder / "model [1].onnx").write_bytes(b"x" * 100)
    hub.add("tiny/model", folder, revision="v1")
    place = model_folder("hub:tiny/model@v1#output")
    names = {path.name for path in place.iterdir()}
    assert {"config.json", "model.safetensors.index.json"} < names
    assert not names & {"pytorch_model.bin", "training_args.bin", "model [1].onnx"}
    loaded = AutoModelForCausalLM.from_pretrained(place)
    assert torch.equal(loaded.get_input_embeddings().weight, model.get_input_embeddings().weight)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert model_folder("hub:tiny/model@v1") == place
    with pytest.raises(NotFoundError, match=r"hub:tiny/model was not downloaded whole before"):
        model_folder("hub:tiny/model")


def test_a_whole_model_that_cannot_be_had(hub, tmp_path: Path, server) -> None:
    with pytest.raises(NotFoundError, match="There is no model tiny/model"):
        model_folder("hub:tiny/model")
    folder = write(
        GPTNeoXForCausalLM(
            GPTNeoXConfig(
                vocab_size=99, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
            )
        ),
        tmp_path / "model",
        "safetensors shards",
    )
    hub.add("tiny/model", folder)
    missing = sorted(path.name for path in folder.glob("*.safetensors"))[0]
    (folder / missing).rename(tmp_path / missing)
    with pytest.raises(NotFoundError, match=rf"The shard {missing} is missing in hub:tiny/model@"):
        model_folder("hub:tiny/model")
    (tmp_path / missing).rename(folder / missing)
    _resolve.cache_clear()
    hub.add("tiny/model", folder, gated=True)
    clear_cache()
    with pytest.raises(RemoteError, match="is gated"):
        model_folder("hub:tiny/model")


def test_a_folder_without_weights_is_no_model(hub, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.json").write_text("{}")
    hub.add("empty/model", tmp_path / "empty")
    with pytest.raises(NotFoundError, match=r"hub:empty/model@[0-9a-f]{12} holds no weights"):
        model_folder("hub:empty/model")
    with pytest.raises((NotFoundError, FormatError), match="holds no weights"):
        load_table("hub:empty/model")
