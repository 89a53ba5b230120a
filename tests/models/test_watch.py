"""Geometry while a model trains: the numbers are those of a reading at rest, and training does not notice."""

import random
import re
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

import theodolite as td
from theodolite.core.errors import GeometryWarning, ParameterError, PointsError
from theodolite.dimension import cloud_gride, participation_ratio, twonn
from theodolite.models import LanguageModel, evaluate_loss, hidden_states
from theodolite.models.watch import Watch, attach, measure_prompts, measure_tables
from theodolite.neighborhoods import cloud_neighbors, neighbors

N_VOCABULARY = 97
PROMPTS = [list(range(5, 45)), list(range(90, 40, -1))]


def small(*, tied=False, dropout=0.1):
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=N_VOCABULARY,
        n_embd=16,
        n_layer=2,
        n_head=2,
        n_positions=64,
        tie_word_embeddings=tied,
        resid_pdrop=dropout,
        embd_pdrop=dropout,
        attn_pdrop=dropout,
        bos_token_id=None,
        eos_token_id=None,
    )
    return transformers.GPT2LMHeadModel(config)


class Sentences(torch.utils.data.Dataset):
    def __len__(self):
        return 64

    def __getitem__(self, index):
        ids = torch.from_numpy(np.random.default_rng(index).integers(0, N_VOCABULARY, size=12))
        return {"input_ids": ids, "labels": ids}


class Recorder(transformers.TrainerCallback):
    """Stands where TensorBoard and W&B stand: before the callbacks that a person adds."""

    def __init__(self):
        self.received = []

    def on_log(self, args, state, control, logs=None, **given):  # noqa: ARG002
        self.received.append((state.global_step, dict(logs)))


def trainer_of(folder, model, recorder):
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        max_steps=30,
        per_device_train_batch_size=4,
        logging_steps=5,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
        seed=7,
    )
    return transformers.Trainer(model=model, args=arguments, train_dataset=Sentences(), callbacks=[recorder])


def losses(recorder):
    return [(step, logs["loss"]) for step, logs in recorder.received if "loss" in logs]


def test_a_training_run_is_logged_by_its_own_loggers_and_takes_the_same_course(tmp_path):
    plain, watched = Recorder(), Recorder()
    alone = trainer_of(tmp_path / "a", small(), plain)
    alone.train()
    trainer = trainer_of(tmp_path / "b", small(), watched)
    callback = attach(trainer, every=5, budget=1.0, prompts=PROMPTS)
    trainer.train()
    assert losses(watched) == losses(plain)
    assert [step for step, _ in losses(plain)] == [5, 10, 15, 20, 25, 30]
    for name, weight in alone.model.state_dict().items():
        assert torch.equal(weight, trainer.model.state_dict()[name]), name
    readings = [(step, logs) for step, logs in watched.received if "geometry/input/dimension" in logs]
    assert [step for step, _ in readings] == [0, 5, 10, 15, 20, 25, 30]
    assert callback.watch.n_measured == 7
    kept = [entry for entry in trainer.state.log_history if "geometry/prompts/loss" in entry]
    assert [entry["step"] for entry in kept] == [step for step, _ in readings]
    assert ["geometry/input/gaussian_null" in logs for _, logs in readings] == [True] + [False] * 6
    at_rest = measure_tables(trainer.model) | measure_prompts(trainer.model, PROMPTS)
    assert {name: readings[-1][1][f"geometry/{name}"] for name in at_rest} == at_rest
    assert readings[0][1]["geometry/input/mean_norm"] != at_rest["input/mean_norm"], "training moved the table"


def test_a_plain_loop_with_dropout_takes_the_same_course():
    def train(watch):
        model = small().train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        torch.manual_seed(3)
        np.random.seed(3)  # noqa: NPY002 - what a training script may use
        random.seed(3)
        course, logged = [], {}
        for step in range(12):
            logged[step] = watch(torch.nn.DataParallel(model), step)
            ids = torch.from_numpy(np.random.randint(0, N_VOCABULARY, (4, 12)))  # noqa: NPY002
            loss = model(input_ids=ids, labels=ids).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            course.append((loss.item(), random.random()))
        return course, logged

    watch = Watch(every=4, budget=1.0, prompts=PROMPTS)
    course, logged = train(watch)
    assert course == train(lambda *_: {})[0]
    assert [step for step, values in logged.items() if values] == [0, 4, 8]
    assert logged[0]["geometry/prompts/loss"] != logged[8]["geometry/prompts/loss"]


def test_table_numbers_are_those_of_the_estimators():
    table = small().get_input_embeddings().weight
    found = measure_tables({"input": table}, k=5)
    graph = neighbors(table.detach(), k=5)
    rows = table.detach().double().numpy()
    lengths = np.linalg.norm(rows, axis=1)
    shortest = np.argsort(lengths)[0]
    places = np.argsort(((rows[:, None] - rows[None]) ** 2).sum(axis=2), axis=1)[:, 1:6]
    assert found["input/dimension"] == twonn(graph).value
    assert found["input/dimension_stderr"] == twonn(graph).stderr
    assert found["input/participation_ratio"] == participation_ratio(table.detach()).value
    assert found["input/mean_norm"] == pytest.approx(lengths.mean(), rel=1e-6)
    assert found["input/hub_share"] == pytest.approx((places == shortest).sum() / places.size)
    assert "input/gaussian_null" not in found


def test_the_gaussian_null_is_the_dimension_of_noise():
    noise = torch.from_numpy(np.random.default_rng(0).normal(size=(2000, 6)))
    found = measure_tables({"input": noise}, null=True)
    assert found["input/gaussian_null"] == pytest.approx(
        found["input/dimension"], abs=6 * found["input/gaussian_null_stderr"]
    )


def test_prompt_numbers_are_those_of_the_states():
    module = small().train()
    model = LanguageModel.of(small())
    found = measure_prompts(module, PROMPTS)
    by_prompt = [
        cloud_gride(cloud_neighbors(one.states.detach(), k=4), largest=4).value[:, 1]
        for one in hidden_states(model, PROMPTS)
    ]
    assert [found[f"prompts/layer_{layer:02d}/dimension"] for layer in range(3)] == np.mean(by_prompt, axis=0).tolist()
    assert found["prompts/loss"] == evaluate_loss(model, PROMPTS).mean


def test_every_part_is_back_in_its_mode_and_holds_no_gradient():
    model = small().train()
    model.transformer.h[0].eval()
    before = {name: part.training for name, part in model.named_modules()}
    with pytest.raises(ParameterError, match="holds the token id 500"):
        measure_prompts(model, [[500] * 9])
    measure_prompts(model, PROMPTS)
    measure_tables(model)
    assert {name: part.training for name, part in model.named_modules()} == before
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")
def test_tied_embeddings_are_measured_once_and_wrappers_are_opened():
    assert {name.split("/")[0] for name in measure_tables(small(tied=True))} == {"input"}
    model = small()
    plain = measure_tables(model)
    assert {name.split("/")[0] for name in plain} == {"input", "output"}
    for wrapped in (
        torch.compile(model, backend="eager"),
        torch.nn.DataParallel(model),
        torch.nn.DataParallel(torch.compile(model, backend="eager")),
    ):
        assert measure_tables(wrapped) == plain
    assert measure_prompts(torch.compile(model, backend="eager"), PROMPTS) == measure_prompts(model, PROMPTS)


def test_a_large_table_is_measured_on_the_same_rows_every_time():
    table = torch.from_numpy(np.random.default_rng(0).normal(size=(500, 4)))
    first = measure_tables({"t": table}, limit=100)
    assert first == measure_tables({"t": table}, limit=100)
    assert first != measure_tables({"t": table}, limit=100, seed=1)
    assert measure_tables({"t": table}, limit=500) == measure_tables({"t": table})
    assert measure_tables({"t": table}, rows=range(200)) == measure_tables({"t": table[:200]})
    kept = table.clone()
    kept[300:] = torch.nan
    assert np.isfinite(list(measure_tables({"t": kept}, rows=range(300), limit=100).values())).all()


class Clock:
    """A clock of its own: every reading costs `cost`, every step of training `step`."""

    def __init__(self, monkeypatch, cost):
        self.now, self.cost = 100.0, cost
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)
        monkeypatch.setattr("theodolite.models.watch.pace.measure_tables", self.measure)

    def measure(self, module, **settings):  # noqa: ARG002
        self.now += self.cost
        return {"input/dimension": 1.0}


@pytest.mark.parametrize(("cost", "budget"), [(0.1, 0.05), (3.0, 0.05), (3.0, 0.5), (40.0, 0.2)])
def test_readings_stay_within_the_budget(monkeypatch, cost, budget):
    clock = Clock(monkeypatch, cost)
    watch = Watch(every=10, budget=budget)
    taken, shares = [], []
    for step in range(2001):
        values = watch({}, step)
        if values:
            taken.append(step)
            shares.append(values["geometry/share_of_time"])
        clock.now += 1.0
    assert taken[0] == 0
    assert all(share <= budget for share in shares[1:])
    assert watch.seconds == pytest.approx(cost * len(taken))
    assert watch.n_measured + watch.n_postponed == 201
    wanted = 201 if cost <= budget * 10 else (2000 / (1 - budget)) * budget / cost
    assert len(taken) == pytest.approx(wanted, rel=0.1, abs=1.5), "and use what they may"


def test_a_training_that_diverges_goes_on_and_is_told_once():
    model = small()
    watch = Watch(every=1, budget=1.0, prompts=PROMPTS)
    watch(model, 0)
    with torch.no_grad():
        model.get_input_embeddings().weight[10] = torch.nan
    with pytest.warns(GeometryWarning, match="Not measured while training"):
        values = watch(model, 1)
    assert set(values) == {"geometry/share_of_time"}
    assert set(watch(model, 2)) == {"geometry/share_of_time"}
    with pytest.raises(PointsError, match="NaN"):
        measure_tables(model)


def test_the_same_step_is_measured_once():
    table = {"t": small().get_input_embeddings().weight}
    watch = Watch(every=1, budget=1.0)
    assert watch(table, 0)
    assert watch(table, 0) == {}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Watch(every=0), "every=0 and budget=0.05"),
        (lambda: Watch(budget=0.0), "share of the time, above 0"),
        (lambda: measure_tables(torch.nn.Linear(2, 2)), "Linear does not say which matrix embeds"),
        (lambda: measure_tables({"t": torch.zeros(0)}), "no whole matrix on this device"),
        (lambda: measure_tables({"t": torch.eye(9)}, k=1), "k is at least 2"),
        (lambda: measure_tables({"t": torch.eye(9)}, rows=[9]), "not all in a table of 9"),
        (lambda: measure_prompts(small(), []), "The shortest of 0 prompts has 0 tokens"),
        (lambda: measure_prompts(small(), [[1, 2, 3]]), "needs at least 6"),
    ],
)
def test_what_cannot_be_measured_is_said(call, message):
    with pytest.raises(ParameterError, match=message):
        call()


def test_a_loss_that_is_not_finite_is_said(monkeypatch):
    monkeypatch.setattr(
        "theodolite.models.watch.prompts.evaluate_loss", lambda *_, **__: type("Found", (), {"mean": float("nan")})
    )
    with pytest.raises(PointsError, match="loss on the prompts is not finite"):
        measure_prompts(small(), PROMPTS)


def test_a_watch_and_its_settings_are_not_both_given(tmp_path):
    trainer = trainer_of(tmp_path, small(), Recorder())
    with pytest.raises(TypeError, match="not both"):
        attach(trainer, Watch(), every=3)
    mine = Watch(every=3)
    assert attach(trainer, mine).watch is mine


def test_it_is_public():
    assert td.watch.Watch is Watch


def test_the_page_runs_as_printed(tmp_path, monkeypatch, capsys):
    page = Path(__file__).parents[2] / "docs" / "watch.md"
    if not page.exists():
        pytest.skip("needs a checkout")
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        exec(compile(block, str(page), "exec"), names)
    assert names["callback"].watch.n_measured >= 1
    assert names["values"] == {}
    assert "geometry/input/dimension\n" in capsys.readouterr().out
