"""Tables that change, lie, or refuse one estimator: each reading is of what is there now, and nothing else is lost."""

import json

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from theodolite import studies
from theodolite.core.errors import ParameterError
from theodolite.studies.dimension import study as dimension
from theodolite.studies.dimension.config import Config


def headline(run):
    frame = run.table()
    chosen = (pl.col("measure") == "dimension") & (pl.col("method") == "twonn") & (pl.col("condition") == "measured")
    return frame.filter(chosen).row(0, named=True)


def counts(run):
    return {row["method"]: row["value"] for row in dimension.summarize(run.table()) if row["measure"] == "count"}


def model_folder(path, points, n_tokens):
    path.mkdir(exist_ok=True)
    config = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": len(points), "n_embd": 48}
    (path / "config.json").write_text(json.dumps(config))
    save_file({"wte.weight": points}, path / "model.safetensors")
    vocab = {f"t{number}": number for number in range(n_tokens)}
    tokenizer = {"model": {"type": "BPE", "vocab": vocab, "merges": []}, "pre_tokenizer": {"type": "ByteLevel"}}
    (path / "tokenizer.json").write_text(json.dumps(tokenizer))
    return path


def measure(reference, out, **settings):
    return studies.run("dimension", references=[str(reference)], out=out, **{"k": 8, "nulls": [], **settings})


def test_a_changed_tokenizer_is_measured_anew(tmp_path, manifold):
    folder = model_folder(tmp_path / "model", manifold[:600], 600)
    assert headline(measure(folder, tmp_path / "run"))["n_used"] == 600
    model_folder(folder, manifold[:600], 400)
    again = measure(folder, tmp_path / "run")
    assert headline(again)["n_used"] == 400
    assert counts(again)["beyond_tokenizer"] == 200


def test_a_tokenizer_larger_than_the_table_leaves_no_rows_beyond_it(tmp_path, manifold):
    run = measure(model_folder(tmp_path / "model", manifold[:500], 600), tmp_path / "run")
    assert counts(run)["beyond_tokenizer"] == 0
    assert headline(run)["n_used"] == 500


def test_a_file_replaced_in_one_process_is_read_anew(tmp_path, manifold):
    path = tmp_path / "table.npy"
    np.save(path, manifold[:400, :12])
    assert headline(measure(path, tmp_path / "one"))["extrinsic"] == 12
    np.save(tmp_path / "new.npy", manifold[:400])
    (tmp_path / "new.npy").replace(path)
    assert headline(measure(path, tmp_path / "two"))["extrinsic"] == 48


def test_the_same_bytes_in_another_shape_are_another_table(tmp_path, manifold):
    path = tmp_path / "table.npy"
    np.save(path, manifold[:300])
    first = measure(path, tmp_path / "run")
    np.save(path, manifold[:300].reshape(900, 16))
    second = measure(path, tmp_path / "run")
    assert headline(first)["extrinsic"] == headline(second)["extrinsic"] == 16, "the run shows what is there now"


def test_trimming_needs_to_know_what_to_trim(tmp_path, manifold):
    path = tmp_path / "table.npy"
    np.save(path, manifold[:300])
    with pytest.raises(ParameterError, match="needs the tokenizer"):
        measure(path, tmp_path / "run", rows="trimmed")


def test_a_limit_above_the_table_is_no_limit(tmp_path, manifold):
    path = tmp_path / "table.npy"
    np.save(path, manifold[:300])
    run = measure(path, tmp_path / "run", limit=100_000)
    assert not [warning for warning in run.warnings if "limit" in warning]
    assert headline(run)["n_used"] == 300


def test_unit_rows_in_float64_have_a_histogram(tmp_path, manifold):
    rows = manifold[:300].astype(np.float64)
    path = tmp_path / "table.npy"
    np.save(path, rows / np.linalg.norm(rows, axis=1, keepdims=True))
    run = measure(path, tmp_path / "run")
    assert run.status == "success"
    histogram = run.table().filter(pl.col("measure") == "norm_histogram")
    assert histogram["value"].sum() == 300


def test_one_estimators_refusal_costs_only_its_own_rows(tmp_path):
    """All rows of the identity are equally far apart: no ratio of distances says anything, all else can be measured."""
    path = tmp_path / "identity.npy"
    np.save(path, np.eye(60))
    run = measure(path, tmp_path / "run")
    assert run.status == "success"
    measures = set(run.table()["measure"])
    assert {"participation_ratio", "count", "norm", "hubness"} <= measures
    assert any("identity.npy" in warning and "twonn" in warning for warning in run.warnings)


def test_lengths_of_extreme_tables_neither_overflow_nor_vanish(tmp_path, manifold):
    readings = []
    for exponent in (0, 600, -600):
        path = tmp_path / f"table{exponent}.npy"
        np.save(path, np.ldexp(manifold[:300].astype(np.float64), exponent))
        run = measure(path, tmp_path / f"run{exponent}", shortest=[10], shares=[])
        swept = run.table().filter((pl.col("condition") == "without_shortest") & (pl.col("measure") == "dimension"))
        readings.append(swept["value"].item())
    assert readings[0] == readings[1] == readings[2]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shortest": (-5, 10)}, "shortest=-5 removes nothing"),
        ({"discard": 1.5}, r"discard=1\.5 is no share"),
        ({"mle_k": (1, 5)}, "mle_k=1 is too small"),
    ],
)
def test_settings_that_no_unit_could_run_with_are_refused_at_once(settings, message):
    with pytest.raises(ParameterError, match=message):
        Config(("x.npy",), **settings)
