"""What reading costs before anything is read: from headers, beside what is then really fetched."""

import numpy as np
import pytest

from theodolite import bundled
from theodolite.tables import load_table, model_folder
from theodolite.tables.cost import cost_of_model, cost_of_tables

NAME = "pocket/64"


@pytest.fixture
def model(hub):
    folder = bundled.path("pocket-64")
    hub.add(NAME, folder)
    return folder


def sent(hub):
    return sum(seen.sent for seen in hub.requests)


def test_tables_on_the_hub_cost_what_they_then_send(hub, model):
    cost = cost_of_tables(f"hub:{NAME}")
    table = load_table(f"{model}#input")
    assert cost.memory == table.points.numel() * 4
    assert cost.n_missing == cost.n_bytes > 0
    assert sent(hub) < cost.n_missing, "headers and small files only"
    hub.forget()
    for which in ("input", "output"):
        load_table(f"hub:{NAME}#{which}")
    assert sent(hub) >= cost.n_missing
    assert sent(hub) < 1.2 * cost.n_missing
    assert cost_of_tables(f"hub:{NAME}").n_missing == 0


def test_what_is_here_already_is_not_fetched_again(hub, model):
    load_table(f"hub:{NAME}#input")
    both, one = cost_of_tables(f"hub:{NAME}"), cost_of_tables(f"hub:{NAME}#output")
    assert both.n_missing == one.n_missing == one.n_bytes
    assert cost_of_tables(f"hub:{NAME}", ("input",)).n_missing == 0


def test_a_model_on_the_hub_costs_what_it_then_sends(hub, model):
    cost = cost_of_model(f"hub:{NAME}")
    assert cost.n_missing == cost.n_bytes
    hub.forget()
    model_folder(f"hub:{NAME}")
    assert sent(hub) == pytest.approx(cost.n_missing, rel=0.05)
    assert cost_of_model(f"hub:{NAME}").n_missing == 0


def test_a_model_that_was_downloaded_costs_nothing_offline(hub, model, monkeypatch):
    model_folder(f"hub:{NAME}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert cost_of_model(f"hub:{NAME}").n_missing == 0


def test_what_is_on_this_machine_is_not_fetched(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((10, 3), dtype=np.float16))
    cost = cost_of_tables(tmp_path / "a.npy")
    assert (cost.n_bytes, cost.n_missing, cost.memory) == (60, 0, 120)
    model = cost_of_model("bundled:pocket-64", dtype="stored")
    assert model.n_missing == 0
    assert model.memory == model.n_bytes
