"""The authors' arrays: what a copy says, and runs beside it prompt by prompt."""

import numpy as np
import polars as pl
import pytest

from theodolite.core.errors import FormatError, NotFoundError
from theodolite.studies.layers import columns as layers_columns
from theodolite.studies.layers.config import STRUCTURED
from theodolite.studies.reproduce.arrays import compare_prompts, compare_with_print, read_arrays

ROWS = np.array([0, 19, 22, 28, 29, 40, 42, 45])
N_LAYERS = 3


@pytest.fixture
def copy(tmp_path):
    """A folder of the authors' layout with eight prompts and three layers."""
    generator = np.random.Generator(np.random.PCG64(0))
    (tmp_path / "prompt_id").mkdir()
    np.save(tmp_path / "filtered_indices.npy", ROWS)
    gride = generator.uniform(3, 9, size=(len(ROWS), N_LAYERS, 3, 6))
    losses = generator.uniform(2, 4, size=len(ROWS)).astype(np.float32)
    np.savez(tmp_path / "prompt_id" / "gpt2.npz", gride=gride, losses=losses)
    return tmp_path


def run_like(arrays, *, shift=0.0, noise=0.0, losses=None):
    """Rows of a layer study on the same prompts, in another order, at neighbor 4."""
    generator = np.random.Generator(np.random.PCG64(1))
    losses = arrays.arrays["losses"] if losses is None else losses
    blank = dict.fromkeys(layers_columns.COLUMNS)
    rows = []
    for place in generator.permutation(len(ROWS)):
        at = {**blank, "model": "./gpt2", "control": STRUCTURED, "positions": "all", "prompt_row": int(ROWS[place])}
        rows.append({**at, "measure": "loss", "value": float(losses[place])})
        for layer in range(1, N_LAYERS + 1):
            value = arrays.dimension(4)[place, layer - 1] + shift + noise * generator.normal()
            cloud = {"measure": "dimension", "method": "gride", "n1": 2, "scale": 4, "layer": layer}
            rows.append({**at, **cloud, "value": float(value)})
    return pl.from_dicts(rows, infer_schema_length=None)


def test_runs_on_the_same_prompts_are_compared_prompt_by_prompt(copy):
    found = read_arrays(copy, preset="v2")
    known = {"./gpt2": "gpt2"}
    (same,) = compare_prompts(run_like(found["gpt2"]), known, found)
    assert same.agreement == "agrees"
    assert same.differences == (0.0, 0.0, 0.0)
    assert same.our_values == pytest.approx(found["gpt2"].dimension(4).mean(axis=0))
    (noisy,) = compare_prompts(run_like(found["gpt2"], noise=0.01), known, found)
    assert noisy.agreement == "agrees"
    assert max(map(abs, noisy.differences)) < 6
    (shifted,) = compare_prompts(run_like(found["gpt2"], shift=0.5, noise=0.01), known, found)
    assert shifted.agreement == "differs"
    assert min(shifted.differences) > 50  # 0.5 over 0.01 / sqrt(8) is 141 standard errors
    assert list(compare_prompts(run_like(found["gpt2"]), {"./gpt2": "opt-6.7b"}, found)) == []


def test_runs_on_other_prompts_are_not(copy):
    found = read_arrays(copy, preset="v2")
    other = np.random.Generator(np.random.PCG64(5)).uniform(2, 4, size=len(ROWS))
    (line,) = compare_prompts(run_like(found["gpt2"], losses=other), {"./gpt2": "gpt2"}, found)
    assert line.agreement == "not comparable"
    assert "prompts are not the same" in line.note


def test_folders_that_hold_no_arrays_or_of_another_length_are_refused(copy):
    with pytest.raises(NotFoundError, match="token_geometry"):
        read_arrays(copy, preset="v1")
    np.save(copy / "filtered_indices.npy", ROWS[:5])
    with pytest.raises(FormatError, match=r"gpt2\.npz: losses is of 8 prompts, but filtered_indices\.npy of 5"):
        read_arrays(copy, preset="v2")


@pytest.fixture(scope="module")
def authors(shared_data):
    folder = shared_data / "reference" / "viswanathan2025"
    if not folder.is_dir():
        pytest.skip("no copy of the authors' arrays in the shared data")
    return {preset: read_arrays(folder, preset=preset) for preset in ("v1", "v2")}


def test_the_reader_finds_what_the_description_of_the_arrays_states(authors):
    gpt2, pythia = authors["v2"]["gpt2"], authors["v2"]["pythia-160m-deduped"]
    stated = (
        "3.60 3.70 4.65 5.56 6.32 6.76 7.04 7.06 7.08 7.07 7.02 6.32",
        "3.19 4.18 5.04 6.90 7.59 7.67 7.90 8.10 7.97 7.61 7.57 8.06",
    )
    for arrays, text in zip((gpt2, pythia), stated, strict=True):
        wanted = [float(one) for one in text.split()]
        assert arrays.dimension(4).mean(axis=0) == pytest.approx(wanted, abs=0.005)
    related = {
        one.subject.partition(",")[0]: one.our_values
        for one in compare_with_print({"gpt2": gpt2, "pythia-160m-deduped": pythia})
        if one.claim == "correlation with loss, neighbor 4"
    }
    assert (round(min(related["gpt2"]), 2), round(max(related["gpt2"]), 2)) == (0.49, 0.54)
    values = related["pythia-160m-deduped"]
    assert (round(values[0], 2), round(max(values), 2), values.index(max(values)) + 1) == (0.54, 0.82, 8)


def test_every_printed_number_follows_from_the_arrays_by_our_statistics(authors):
    found = [one for arrays in authors.values() for one in compare_with_print(arrays)]
    assert len(found) > 50
    assert [one for one in found if one.agreement != "agrees"] == []
