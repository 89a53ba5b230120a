import random

from hypothesis import given
from hypothesis import strategies as st

from theodolite.runs import Outcome, Unit
from theodolite.runs.workers.dispatch import Board


def units_of(groups):
    return [
        Unit(study="toy", version=1, params={"number": number}, group=group, label=str(number))
        for number, group in enumerate(groups)
    ]


def done(unit, seconds=9.0):
    return Outcome(key=unit.key, seconds=seconds)


def test_a_group_stays_with_its_worker():
    board = Board(units_of("aaabbb"))
    first, second = board.next_for(0), board.next_for(1)
    assert (first.group, second.group) == ("a", "b")
    for worker, begun in ((0, first), (1, second)):
        unit = begun
        for _ in range(2):
            board.finished(worker, done(unit))
            unit = board.next_for(worker)
            assert unit.group == begun.group


def test_an_idle_worker_takes_from_the_longest_queue():
    board = Board(units_of("abbbcc"))
    held = [board.next_for(worker) for worker in range(3)]
    assert [unit.group for unit in held] == ["a", "b", "c"]
    board.finished(0, done(held[0]))
    assert board.next_for(0).group == "b"


def test_a_worker_holds_one_unit_and_a_second_where_units_are_short():
    board = Board(units_of("aaaaa"))
    unit = board.next_for(0)
    assert board.next_for(0) is None
    board.finished(0, done(unit, seconds=0.01))
    assert [board.next_for(0) is None for _ in range(3)] == [False, False, True]


def test_only_the_unit_at_work_is_blamed_and_it_is_given_up_at_the_third_death():
    board = Board(units_of("aaaa"))
    board.finished(0, done(board.next_for(0), seconds=0.01))
    at_work, behind = board.next_for(0), board.next_for(0)
    assert board.died(0, "was killed") is None
    assert (board.deaths(at_work), board.deaths(behind)) == (1, 0)
    assert board.next_for(0) == at_work
    assert board.died(0, "was killed") is None
    assert board.next_for(1) == at_work
    lost = board.died(1, "was killed by SIGKILL", "Segmentation fault")
    assert lost.key == at_work.key
    assert lost.failure.exception == "WorkerDied"
    assert lost.failure.message == (
        "The process that did this unit died 3 times; the last time it was killed by SIGKILL."
    )
    assert lost.failure.traceback == "Segmentation fault"
    assert board.left == 2
    assert board.next_for(0) == behind


def test_a_worker_that_dies_idle_costs_nothing():
    board = Board(units_of("a"))
    assert board.died(3, "was killed") is None
    assert board.left == 1


@given(st.lists(st.sampled_from("abcde"), max_size=40), st.integers(1, 6), st.integers(0, 10**6))
def test_whatever_happens_every_unit_comes_to_one_end(groups, n_workers, seed):
    draw, units = random.Random(seed), units_of(groups)
    board, held, ends = Board(units), {worker: [] for worker in range(n_workers)}, []
    while board.left:
        for worker in range(n_workers):
            while (unit := board.next_for(worker)) is not None:
                held[worker].append(unit)
        assert any(held.values()), "units wait and nobody has one"
        worker = draw.choice([one for one in held if held[one]])
        event = draw.choice(["done", "done", "died", "retired"])
        if event == "done":
            unit = held[worker].pop(0)
            board.finished(worker, done(unit, seconds=draw.choice([0.1, 10.0])))
            ends.append(unit.key)
            continue
        lost = board.died(worker, "died") if event == "died" else board.retired(worker)
        held[worker] = []
        ends += [lost.key] if lost else []
    assert sorted(ends) == sorted(unit.key for unit in units)
