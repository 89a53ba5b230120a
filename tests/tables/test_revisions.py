"""Which training checkpoints are taken: by name, by pattern, by even distances in the logarithm of the step."""

import itertools
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theodolite import bundled
from theodolite.core.errors import NotFoundError, ParameterError
from theodolite.tables import Reference, expand, select_revisions, step_of, training_step

# the branches of a Pythia model: 0, powers of 2 to 512, and every 1000 up to 143000
PYTHIA = ["main", *(f"step{n}" for n in (0, *(2**k for k in range(10)), *range(1000, 143001, 1000)))]


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("step512", 512),
        ("step-512", 512),
        ("checkpoint-512", 512),
        ("checkpoint_0", 0),
        ("512", 512),
        ("stage1-step5000-tokens21B", 5000),
        ("step1000-tokens4B", 1000),
        ("global_step143000", 143000),
        ("iter_0000100", 100),
        ("main", None),
        ("footstep7", None),
        ("v1.0", None),
        ("stage2", None),
    ],
)
def test_the_step_in_a_name(name: str, step: int | None) -> None:
    assert step_of(name) == step


def test_154_checkpoints_of_pythia() -> None:
    assert len(PYTHIA) == 155
    all_steps = select_revisions(PYTHIA, "step*")
    assert len(all_steps) == 154
    assert (all_steps[0], all_steps[-1]) == ("step0", "step143000")
    assert [step_of(name) for name in all_steps] == sorted(step_of(name) or 0 for name in all_steps)
    twenty = select_revisions(PYTHIA, "step*", points=20)
    assert len(twenty) == 20
    assert (twenty[0], twenty[-1]) == ("step0", "step143000")
    places = [math.log1p(step_of(name) or 0) for name in twenty]
    gaps = [b - a for a, b in itertools.pairwise(places)]
    even = (places[-1] - places[0]) / 19
    assert max(gaps) < 1.5 * even, "no gap is much larger than even distances would be"
    assert min(gaps) > 0.4 * even
    assert select_revisions(PYTHIA, "*", points=20)[-1] == "main"
    assert select_revisions(reversed(PYTHIA), "step*", points=20) == twenty, "the order of the listing does not matter"


def test_even_steps_are_taken_in_equal_ratios() -> None:
    """Where every step is there, the choice is the rounding of a geometric sequence."""
    names = [f"checkpoint-{n}" for n in range(1, 10_000)]
    chosen = [step_of(name) or 0 for name in select_revisions(names, points=9)]
    ratio = (10_000 / 2) ** (1 / 8)
    assert chosen == [round(2 * ratio**k - 1) for k in range(9)]


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        ("step1,step0", ("step0", "step1")),
        (["step1", "step0", "step1"], ("step0", "step1")),
        ("step?000", tuple(f"step{n}000" for n in range(1, 10))),
        ("step[0,1]", ("step0", "step1")),
        ("main, step14?000", ("step140000", "step141000", "step142000", "step143000", "main")),
        (("step[48]", "main"), ("step4", "step8", "main")),
    ],
)
def test_lists_and_patterns(patterns: str | list[str], found: tuple[str, ...]) -> None:
    assert select_revisions(PYTHIA, patterns) == found


def test_two_points_are_the_ends() -> None:
    assert select_revisions(PYTHIA, "step*", points=2) == ("step0", "step143000")
    assert select_revisions(PYTHIA, points=2) == ("step0", "main")
    assert select_revisions(PYTHIA, points=1000) == select_revisions(PYTHIA)


@given(st.sets(st.integers(0, 10**6), min_size=1, max_size=60), st.integers(2, 70), st.booleans())
def test_as_many_as_asked_for_ends_included(steps: set[int], points: int, with_main: bool) -> None:
    names = [f"step{step}" for step in steps] + ["main"] * with_main
    chosen = select_revisions(names, points=points)
    ordered = select_revisions(names)
    assert len(chosen) == min(points, len(names))
    assert (chosen[0], chosen[-1]) == (ordered[0], ordered[-1])
    assert [name for name in ordered if name in set(chosen)] == list(chosen)


def test_refusals() -> None:
    with pytest.raises(
        NotFoundError, match=r"No revision matches 'chk\*'. Revisions there: step0, step1, .* and 115 more"
    ):
        select_revisions(PYTHIA, "step*,chk*")
    with pytest.raises(NotFoundError, match="Revisions there: none"):
        select_revisions([], "step*")
    with pytest.raises(ParameterError, match="points=1 is too few"):
        select_revisions(PYTHIA, points=1)
    with pytest.raises(ParameterError, match="points=2 of 4 revisions needs their training steps"):
        select_revisions(["step1", "one", "two", "three"], points=2)
    with pytest.raises(ParameterError, match="Give one of the two"):
        expand("bundled:pocket-128@step1", revisions="step*")
    with pytest.raises(NotFoundError, match=r"ok\.npy has no revisions to choose \* from\. Give a model"):
        expand("ok.npy", revisions="*")
    with pytest.raises(NotFoundError, match=r"bundled:pocket-128: No revision matches 'chk\*'"):
        expand("bundled:pocket-128@chk*")


def test_the_pocket_family() -> None:
    stored = [name for name in bundled.revisions("pocket-128") if name != "main"]
    found = expand("bundled:pocket-128@step*#output")
    assert [one.revision for one in found] == stored
    assert {one.selector for one in found} == {"output"}
    six = expand("bundled:pocket-128@step*", points=6)
    assert six == expand("bundled:pocket-128", revisions=["step*"], points=6)
    assert len(six) == 6
    assert (six[0].revision, six[-1].revision) == (stored[0], stored[-1])
    assert [str(one) for one in expand("bundled:pocket-128@step1,step4")] == [
        "bundled:pocket-128@step1",
        "bundled:pocket-128@step4",
    ]
    everything = expand("bundled:pocket-128@*", points=4)
    assert everything[-1] == Reference.parse("bundled:pocket-128")
    assert training_step(everything[0], Path()) == 0
    assert expand("bundled:pocket-128") == (Reference.parse("bundled:pocket-128"),)
    assert expand("bundled:pocket-128", revisions="step4") == (Reference.parse("bundled:pocket-128@step4"),)


def test_folders_of_checkpoints(tmp_path: Path) -> None:
    for place in ("checkpoint-500", "checkpoint-1000", "checkpoint-1500", "checkpoints/step8", "logs", "runs"):
        (tmp_path / place).mkdir(parents=True)
    found = expand(f"{tmp_path}@checkpoint-*")
    assert [one.revision for one in found] == ["checkpoint-500", "checkpoint-1000", "checkpoint-1500"]
    assert [one.revision for one in expand(tmp_path, revisions="*", points=2)] == ["step8", "checkpoint-1500"]
    assert [one.revision for one in expand(f"{tmp_path}@step8,checkpoint-1000")] == ["step8", "checkpoint-1000"]
    assert training_step(Reference(location=str(tmp_path), revision="checkpoint-500"), tmp_path) == 500
