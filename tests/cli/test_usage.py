"""Mistakes of usage in JSON, examples that can be typed as they stand, and what doctor says of threads."""

import os
import shlex

import pytest
import torch
from rich.console import Console

from theodolite.cli.examples import EXAMPLES, epilogue
from theodolite.cli.help_text import PLACES
from theodolite.cli.lists import spread
from theodolite.cli.main import app


@pytest.mark.parametrize(
    ("arguments", "command", "message"),
    [
        (("dimension", "x", "--kk", "3"), "dimension", "Unknown option: --kk"),
        (("dimension", "x", "--k", "many"), "dimension", "many"),
        (("dimension", "x", "--k", "2.5"), "dimension", "a whole number is needed, not 2.5"),
        (("training", "x", "--points", "3.5"), "training", "a whole number is needed, not 3.5"),
        (("dimension", "x", "--k", "1.0"), "dimension", "k=1 is too small"),
        (("dimension",), "dimension", "name at least one reference"),
        (("inspect",), "inspect", "requires an argument"),
        (("report", "run", "--figures", "gif"), "report", "gif"),
        (("cache", "clear", "--all"), "cache clear", "Unknown option: --all"),
        (("nonsense",), "", 'Unknown command "nonsense"'),
    ],
)
def test_usage_errors_are_one_json_object(theodolite, arguments, command, message):
    done = theodolite(*arguments, "--json")
    assert done.code == 2
    assert (done.json["schema_version"], done.json["status"]) == (1, "error")
    assert done.json["command"] == command
    assert message in done.json["error"]["message"]
    assert done.json["error"]["type"]
    assert done.err.startswith("error: "), "and people are told too"
    assert message in done.err


def test_mistakes_in_options_say_where_the_options_are(theodolite):
    done = theodolite("cache", "clear", "--all")
    assert done.err == "error: Unknown option: --all.\n`theodolite cache clear --help` says what can be given.\n"


def commands():
    return {name for name in app if not name.startswith("-")}


def test_help_lists_every_command_in_a_group_and_the_main_job_first(theodolite):
    lines = theodolite("--help").out.splitlines()
    titles = ["Measure:", "Look:", "Runs:", "This installation:", "Options:", "Examples:"]
    assert [line for line in lines if line.endswith(":") and not line.startswith(" ")] == titles
    assert lines[lines.index("Measure:") + 1].startswith("  survey: ")
    assert set(PLACES) == commands()


def test_every_command_has_one_to_three_examples():
    assert commands() <= set(EXAMPLES)
    assert {len(lines) for lines in EXAMPLES.values()} <= {1, 2, 3}
    assert epilogue("no such command") == " "


@pytest.mark.parametrize("command", sorted(name for name in EXAMPLES if name.split()[0] in commands()))
def test_examples_are_shown_and_can_be_parsed(theodolite, command):
    done = theodolite(*command.split(), "--help")
    assert done.code == 0
    shown = done.out.rstrip().splitlines()[-len(EXAMPLES[command]) - 1 :]
    assert shown == ["Examples:", *(f"  theodolite {line}" for line in EXAMPLES[command])]
    for line in EXAMPLES[command]:
        words = spread(shlex.split(line))
        assert " ".join(words).startswith(command)
        app.parse_args(words, exit_on_error=False, print_error=False)


def test_doctor_names_the_libraries_and_the_threads(theodolite):
    found = theodolite("doctor", "--json").json
    wanted = {"torch", "peft", "accelerate", "gensim", "gguf", "huggingface_hub", "scikit-learn"}
    assert wanted <= set(found["versions"])
    assert all(found["versions"][name] for name in wanted)
    assert found["threads"] == torch.get_num_threads()


@pytest.mark.parametrize(
    ("threads", "load", "stated", "said"),
    [
        (64, 0.0, "64", "64 threads on 2 usable cores. Set OMP_NUM_THREADS=2"),
        (2, 9.0, None, "busy (load 9 on 2 usable cores)"),
        (2, 9.0, "2", None),
        (2, 0.5, None, None),
    ],
)
def test_doctor_warns_of_threads_that_wait_for_each_other(theodolite, monkeypatch, threads, load, stated, said):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr("theodolite.core.provenance.usable_cores", lambda: 2)
    monkeypatch.setattr(os, "getloadavg", lambda: (load, load, load))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if stated:
        monkeypatch.setenv("OMP_NUM_THREADS", stated)
    warnings = theodolite("doctor", "--json").json["warnings"]
    if said is None:
        assert warnings == []
    else:
        assert [said in text for text in warnings] == [True]


def helped(theodolite, monkeypatch, command, width):
    monkeypatch.setattr(app, "_console", Console(width=width, height=100))  # whatever the surroundings say
    return theodolite(*command.split(), "--help").out.splitlines()


def test_help_fits_the_terminal_and_says_of_every_option_what_it_does(theodolite, monkeypatch):
    for command in ("layers", "probe fit", "reproduce", "compare-runs", "transfer evaluate"):
        lines = helped(theodolite, monkeypatch, command, 72)
        options = [line for line in lines if line.startswith("  --")]
        assert options
        assert max(map(len, lines)) <= 72
        assert [line for line in options if ": [" in line or ":" not in line] == []
        assert "None" not in "".join(lines)


def test_help_begins_with_the_settings_and_says_how_flags_and_lists_are_typed(theodolite, monkeypatch):
    lines = helped(theodolite, monkeypatch, "layers", 200)
    titles = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert titles == ["Settings:", "Run:", "Output:", "Examples:"]
    by_name = {line.split(":")[0].strip(): line for line in lines if line.startswith("  --")}
    assert by_name["--logits, --no-logits"].endswith("[on by default]")
    assert by_name["--homogeneity"].endswith("whether the TwoNN plot is straight.")
    assert by_name["--replaced FLOAT..."].endswith("prompts that ship with the package.")
    assert "[default: gride,twonn,mle]" in " ".join(line.strip() for line in lines)
    _, bound, _ = app.parse_args(["layers", "bundled:pocket-64", "--no-logits"], exit_on_error=False)
    assert bound.arguments["config"].logits is False


def test_commas_part_references_and_paths_that_are_there_but_no_name_of_a_file(tmp_path):
    one, other, both = (tmp_path / name for name in ("one", "other", "a,b"))
    for folder in (one, other, both):
        folder.mkdir()

    def models(value):
        return spread(["reproduce", "lee2025", "--models", value])[3::2]

    assert models("hub:own/a@v1,bundled:pocket-64,plain") == ["hub:own/a@v1", "bundled:pocket-64", "plain"]
    assert models(f"{one},{other}") == [str(one), str(other)]
    assert models(str(both)) == [str(both)]
    assert models(f"{one},{tmp_path / 'none'}") == [f"{one},{tmp_path / 'none'}"]
    assert models(f"{one}/{'x' * 5000},y") == [f"{one}/{'x' * 5000},y"]
