import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from theodolite.core.seeds import generator_from, seed_from

PARTS = st.lists(st.text(st.characters(exclude_categories=["Cs"])) | st.integers(), max_size=4)


@given(PARTS)
def test_a_seed_is_a_pure_function_within_63_bits(parts):
    seed = seed_from(*parts)
    assert seed == seed_from(*parts)
    assert 0 <= seed < 2**63


def test_the_type_of_a_part_matters():
    assert seed_from("3") != seed_from(3)


def test_an_integer_of_numpy_is_that_number():
    assert seed_from("a", np.int64(3)) == seed_from("a", np.uint8(3)) == seed_from("a", 3)


def test_the_order_of_parts_matters():
    assert seed_from("a", "b") != seed_from("b", "a")


def test_seeds_of_neighboring_numbers_share_nothing():
    seeds = [seed_from("unit", number) for number in range(2000)]
    assert len(set(seeds)) == 2000
    ones = np.array([[seed >> bit & 1 for bit in range(63)] for seed in seeds]).mean(axis=0)
    assert np.all(np.abs(ones - 0.5) < 0.08)  # 7 standard errors of a fair bit


def test_a_seed_of_today_is_the_seed_of_next_year():
    assert seed_from("unit", 3) == 2082671825386349642


def test_generators_of_equal_parts_draw_the_same():
    assert generator_from("a", 1).random(5).tolist() == generator_from("a", 1).random(5).tolist()
    assert generator_from("a", 1).random() != generator_from("a", 2).random()
