"""Word vectors and GGUF from the command line: measured like any table, with their words in the report."""

import gzip

import numpy as np
import polars as pl
import pytest
from gguf import GGMLQuantizationType, GGUFWriter, quants

SMALL = ("--k", "8", "--nulls", "gaussian", "--mle-k", "5")


@pytest.fixture
def points():
    """A ball of four dimensions in eight columns."""
    generator = np.random.Generator(np.random.PCG64(3))
    return generator.normal(size=(400, 4)) @ generator.normal(size=(4, 8))


def hub_of(points):
    """Return the point that is most often among the 8 nearest of another."""
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    np.fill_diagonal(distances, np.inf)
    return int(np.bincount(np.argsort(distances, axis=1)[:, :8].ravel()).argmax())


@pytest.fixture
def glove(points, tmp_path):
    words = [f"mot{i}" for i in range(len(points))]
    words[hub_of(points.round(5))] = "clich\udce9"
    lines = [f"{word} {' '.join(f'{x:.5f}' for x in row)}\n" for word, row in zip(words, points, strict=True)]
    path = tmp_path / "glove.txt"
    path.write_bytes("".join(lines).encode("utf-8", "surrogateescape"))
    return path


def test_dimension_of_word_vectors(theodolite, glove):
    done = theodolite("dimension", glove, *SMALL, "--json", "--out", "run")
    assert done.code == 0, done.err
    rows = {row["method"]: row for row in done.json["rows"] if row["measure"] == "dimension"}
    assert abs(rows["twonn"]["value"] - 4) < 0.8
    table = pl.read_parquet(glove.parent / "run" / "table.parquet")
    hubs = table.filter(pl.col("measure") == "hub", pl.col("method") == "popular")["token"]
    assert hubs[0] == "clich\\xe9"
    page = (glove.parent / "run" / "report.html").read_text(encoding="utf-8")
    assert "glove.txt" in page
    assert "clich\\xe9" in page


@pytest.mark.slow
def test_the_first_rows_and_a_packed_file(theodolite, glove):
    packed = glove.with_suffix(".gz")
    packed.write_bytes(gzip.compress(glove.read_bytes()))
    done = theodolite("dimension", f"{packed}#first300", *SMALL, "--json", "--out", "run")
    assert done.code == 0, done.err
    assert {row["n_used"] for row in done.json["rows"] if row["method"] == "twonn"} == {300}


def test_inspect_word_vectors(theodolite, glove):
    done = theodolite("inspect", glove, "--json")
    assert (done.code, done.json["format"], done.json["selected"]) == (0, "glove text", "vectors")
    assert done.json["tensors"][0]["shape"] == [400, 8]
    said = theodolite("inspect", glove).out
    assert "400 x 8" in said
    assert "Each row has a word of its own" in said


def test_damaged_word_vectors_are_one_paragraph(theodolite, glove):
    glove.write_bytes(glove.read_bytes() + b"mot 0.5\n")
    done = theodolite("dimension", glove, *SMALL)
    assert done.code == 1
    assert "Line 401 of" in done.err
    assert "Traceback" not in done.err


def test_inspect_and_measure_gguf(theodolite, points, tmp_path):
    writer = GGUFWriter(tmp_path / "model.gguf", "llama")
    writer.add_embedding_length(32)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([f"Ġw{i}" for i in range(len(points))])
    data = quants.quantize(np.tile(points, 4).astype(np.float32), GGMLQuantizationType.Q8_0)
    writer.add_tensor("token_embd.weight", data, raw_dtype=GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = theodolite("inspect", "model.gguf", "--json").json
    assert (found["format"], found["tied"], found["n_vocabulary"]) == ("gguf", True, 400)
    assert found["tensors"][0]["dtype"] == "Q8_0"
    hub = hub_of(quants.dequantize(data, GGMLQuantizationType.Q8_0))
    done = theodolite("dimension", "model.gguf", *SMALL, "--json", "--out", "run")
    assert done.code == 0, done.err
    table = pl.read_parquet(tmp_path / "run" / "table.parquet")
    assert table.filter(pl.col("measure") == "hub", pl.col("method") == "popular")["token"][0] == f" w{hub}"


@pytest.mark.slow
def test_real_glove(theodolite, shared_data):
    path = shared_data / "wordvectors/glove50d5k/glove.50d.5k.txt"
    done = theodolite("dimension", f"{path}#first1500", *SMALL, "--json", "--out", "run")
    assert done.code == 0, done.err
    rows = {row["method"]: row for row in done.json["rows"] if row["measure"] == "dimension"}
    assert 5 < rows["twonn"]["value"] < 15
    assert rows["twonn"]["null"]["gaussian"] > 1.5 * rows["twonn"]["value"]


def table_of_words(path, n_latent, *, seed):
    """Write 400 word vectors of `n_latent` dimensions in 10 columns."""
    generator = np.random.Generator(np.random.PCG64(seed))
    points = generator.normal(size=(400, n_latent)) @ generator.normal(size=(n_latent, 10))
    lines = [f"w{i} {' '.join(f'{x:.5f}' for x in row)}\n" for i, row in enumerate(points)]
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.mark.usefixtures("every_figure")
def test_several_word_tables_stand_in_one_survey_with_their_random_tables(theodolite, tmp_path):
    """The word-embedding table of Kataiwa et al.: dimension, redundancy, baselines, local dimensions side by side."""
    known = {"thin.vec": 3, "thick.txt": 6}
    files = [table_of_words(tmp_path / name, n, seed=n) for name, n in known.items()]
    done = theodolite("dimension", *files, "--k", "20", "--nulls", "gaussian,permuted", "--json", "--out", "run")
    assert done.code == 0, done.err
    rows = [row for row in done.json["rows"] if row["measure"] == "dimension" and row["method"] == "twonn"]
    assert [row["model"].split("/")[-1] for row in rows] == list(known)
    for row, expected in zip(rows, known.values(), strict=True):
        assert row["value"] == pytest.approx(expected, rel=0.2)
        assert row["redundancy"] == pytest.approx(1 - row["value"] / 10)
        assert row["null"]["gaussian"] > 1.15 * row["value"]
        assert row["null"]["permuted"] > 1.15 * row["value"]
    figures = tmp_path / "run" / "figures"
    local = pl.read_csv(figures / "local_dimension_histogram.csv")
    assert set(local["label"]) == set(known)
    shown = pl.read_csv(figures / "dimension_by_estimator.csv")
    twonn = shown.filter(pl.col("estimator") == "TwoNN")
    assert set(twonn.select("label", "condition").rows()) == {
        (name, condition) for name in known for condition in ("measured", "gaussian", "permuted")
    }


@pytest.mark.slow
def test_real_word_vectors_side_by_side(theodolite, shared_data):
    folder = shared_data / "wordvectors"
    glove = folder / "glove50d5k/glove.50d.5k.txt"
    others = [path for path in sorted((folder / "word2vec1000").rglob("*.bin*")) if path.is_file()][:1]
    references = [f"{path}#first900" for path in (glove, *others)]
    done = theodolite("dimension", *references, *SMALL, "--json", "--out", "run")
    assert done.code == 0, done.err
    twonn = [row for row in done.json["rows"] if row["measure"] == "dimension" and row["method"] == "twonn"]
    assert len(twonn) == len(references)
    for row in twonn:
        assert row["value"] < row["null"]["gaussian"]
