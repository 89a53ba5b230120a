import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from theodolite.core import points as module
from theodolite.core.errors import GeometryWarning, ParameterError, PointsError
from theodolite.core.points import as_points, clean_points, first_occurrences

FEW_VALUES = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5])
TABLES = hnp.arrays(
    st.sampled_from([np.float32, np.float64]),
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=FEW_VALUES,
)
AWKWARD = hnp.arrays(
    st.sampled_from([np.float16, np.float32, np.float64]),
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=10),
    elements=st.sampled_from([0.0, -0.0, 1.0, 2.0, float("nan"), float("inf"), float("-inf")]),
)


def naive_first(table):
    seen, first = set(), []
    for row in table.tolist():
        key = tuple(value + 0.0 for value in row)
        first.append(key not in seen)
        seen.add(key)
    return first


@pytest.mark.parametrize(
    ("given_dtype", "wanted"),
    [
        (torch.float64, torch.float64),
        (torch.float32, torch.float32),
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.int64, torch.float64),
        (torch.int8, torch.float64),
        (torch.bool, torch.float64),
    ],
)
def test_dtypes_of_tensors(given_dtype, wanted):
    assert as_points(torch.ones((2, 3), dtype=given_dtype)).dtype == wanted


@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4", "<f8", ">f8", "g", "i4", "u1", "?"])
def test_dtypes_of_arrays_keep_their_values(dtype):
    array = np.array([[0, 1], [1, 0]]).astype(dtype)
    tensor = as_points(array)
    assert tensor.dtype == (torch.float32 if dtype[-2:] in ("f2", "f4") else torch.float64)
    assert tensor.tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_float32_and_float64_share_memory_with_the_input():
    array = np.zeros((3, 2))
    as_points(array)[1, 1] = 7.0
    assert array[1, 1] == 7.0
    tensor = torch.zeros((3, 2))
    assert as_points(tensor).data_ptr() == tensor.data_ptr()


def test_a_read_only_or_strided_array_is_taken_without_a_warning():
    array = np.arange(12.0).reshape(3, 4)
    array.flags.writeable = False
    assert as_points(array).tolist() == array.tolist()
    assert as_points(array[:, ::2]).tolist() == array[:, ::2].tolist()
    assert as_points(array[::-1]).tolist() == array[::-1].tolist()


def test_points_come_detached_from_autograd():
    assert not as_points(torch.zeros((2, 2), requires_grad=True)).requires_grad


@pytest.mark.parametrize("shape", [(3,), (2, 2, 2), ()])
def test_a_table_has_two_axes(shape):
    with pytest.raises(PointsError, match=r"shape \(n_points, n_dims\)"):
        as_points(np.zeros(shape))


def test_a_table_has_columns():
    with pytest.raises(PointsError, match="at least one coordinate"):
        as_points(np.zeros((3, 0)))


@pytest.mark.parametrize(
    "array", [np.zeros((2, 2), dtype=complex), np.array([["a", "b"]]), np.array([[None, 1]]), np.zeros((1, 1), "M8[s]")]
)
def test_arrays_are_real(array):
    with pytest.raises(PointsError, match="must be real numbers, but the array has dtype"):
        as_points(array)


def test_tensors_are_real():
    with pytest.raises(PointsError, match=r"must be real numbers, but the tensor has dtype torch\.complex64"):
        as_points(torch.zeros((2, 2), dtype=torch.complex64))


def test_rows_that_are_not_finite_are_refused_by_number():
    table = np.eye(9)
    table[[1, 2, 3, 4, 6, 8], 0] = np.nan
    table[2, 1] = np.inf
    with pytest.raises(PointsError, match=r'6 of 9 rows hold NaN.*\(row 1, 2, 3, 4, 6, \.\.\.\).*nonfinite="drop"'):
        clean_points(table)


def test_rows_that_are_not_finite_are_dropped_and_counted():
    table = np.array([[1.0, 2.0], [np.nan, 0.0], [3.0, -np.inf], [0.0, 0.0]])
    with pytest.warns(
        GeometryWarning, match=r"2 of 4 rows hold NaN or infinite values \(row 1, 2\); they are left out"
    ):
        clean = clean_points(table, nonfinite="drop")
    assert (clean.n_given, clean.n_nonfinite, clean.n_zero, clean.n_points, clean.n_dims) == (4, 2, 1, 2, 2)
    assert clean.rows.tolist() == [0, 3]


@pytest.mark.parametrize("table", [np.zeros((0, 3)), np.full((2, 3), np.nan)])
@pytest.mark.filterwarnings("ignore::theodolite.core.errors.GeometryWarning")
def test_nothing_left_is_an_error(table):
    with pytest.raises(PointsError, match="No point remains of"):
        clean_points(table, nonfinite="drop")


@pytest.mark.parametrize("duplicates", ["collapse", "keep"])
def test_a_constant_table_has_no_geometry(duplicates):
    with pytest.raises(PointsError, match="All 4 rows are equal"):
        clean_points(np.full((4, 3), 2.5), duplicates=duplicates)


def test_one_point_is_a_table():
    assert clean_points(np.ones((1, 3))).n_points == 1


def test_duplicates_collapse_to_their_first_occurrence_or_stay():
    table = np.array([[1.0, 0.0], [2.0, 2.0], [1.0, -0.0], [1.0, 0.0]])
    clean = clean_points(table)
    assert (clean.rows.tolist(), clean.n_duplicates) == ([0, 1], 2)
    kept = clean_points(table, duplicates="keep")
    assert (kept.rows.tolist(), kept.n_duplicates, kept.n_points) == ([0, 1, 2, 3], 0, 4)


def test_rows_that_become_equal_by_conversion_are_duplicates():
    table = torch.tensor([[1.0, 0.0], [1.0, 1e-9], [2.0, 0.0]], dtype=torch.float64).to(torch.bfloat16)
    table[1, 1] = 0.0
    assert clean_points(table).n_duplicates == 1


def test_a_clean_table_is_a_view():
    table = torch.eye(4)
    assert clean_points(table).values.data_ptr() == table.data_ptr()


def test_sparse_tables_are_refused():
    with pytest.raises(PointsError, match=r"dense table, but this tensor is torch.sparse_coo. Pass .to_dense\(\)"):
        as_points(torch.eye(4).to_sparse())


def test_numbers_below_a_mask_are_refused():
    """They would be read as if they were there."""
    points = np.ma.masked_array(np.arange(6.0).reshape(3, 2), mask=[[0, 0], [0, 1], [1, 0]])
    with pytest.raises(PointsError, match=r"2 entries of this array are masked.*Pass points\.filled\(np\.nan\)"):
        as_points(points)
    with pytest.warns(GeometryWarning, match="2 of 3 rows"):
        assert clean_points(points.filled(np.nan), nonfinite="drop").rows.tolist() == [0]
    assert as_points(np.ma.masked_array(np.eye(2))).tolist() == [[1, 0], [0, 1]]


def test_rows_of_different_lengths_are_refused():
    with pytest.raises(PointsError, match="a table of numbers, with rows of one length"):
        as_points([[1.0, 2.0], [3.0]])


def test_tensors_without_numbers_of_their_own():
    with pytest.raises(PointsError, match="on the device meta, which holds none"):
        as_points(torch.empty(3, 2, device="meta"))
    conjugate = torch.complex(torch.eye(2), torch.eye(2)).conj()
    assert clean_points(conjugate.imag).values.numpy().tolist() == [[-1, 0], [0, -1]]


def test_a_device_without_float64_is_left(monkeypatch):
    monkeypatch.setattr(module, "_WITHOUT_FLOAT64", ("meta",))
    with pytest.raises(NotImplementedError, match="copy out of meta tensor"):  # it is asked for its numbers
        as_points(torch.empty(3, 3, device="meta"))


def test_rows_whose_squares_overflow_or_vanish_are_finite_and_not_zero():
    table = np.array([[3e30, 1.0], [1e-30, 0.0], [0.0, 0.0], [2.0, 1.0]], dtype=np.float32)
    clean = clean_points(table)
    assert (clean.n_points, clean.n_nonfinite, clean.n_zero) == (4, 0, 1)


def test_rows_alike_in_a_few_columns_only_stay():
    table = np.zeros((5, 64))
    table[:, 5] = [1, 2, 3, 2, 1]  # every eighth column is compared first
    assert first_occurrences(torch.from_numpy(table)).tolist() == [True, True, True, False, False]


@given(TABLES)
def test_first_occurrences_are_those_of_a_plain_loop(table):
    assert first_occurrences(torch.from_numpy(table)).tolist() == naive_first(table)


def _all_alike(values, rows=None):
    return torch.zeros(len(values) if rows is None else len(rows), dtype=torch.int64)


@given(TABLES)
def test_first_occurrences_are_exact_when_every_hash_collides(table):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_row_hashes", _all_alike)
        assert first_occurrences(torch.from_numpy(table)).tolist() == naive_first(table)


@given(TABLES)
def test_equal_rows_have_equal_hashes(table):
    hashes = module._row_hashes(torch.from_numpy(table)).tolist()
    by_row = {}
    for row, one in zip((table + 0.0).tolist(), hashes, strict=True):
        assert by_row.setdefault(tuple(row), one) == one


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_dims", [1, 2, 7, 64])
def test_hashes_of_a_large_table_agree_across_chunks(monkeypatch, dtype, n_dims):
    table = torch.randint(-3, 3, (500, n_dims), generator=torch.Generator().manual_seed(0)).to(dtype)
    whole = module._row_hashes(table)
    monkeypatch.setattr(module, "_VALUES_PER_CHUNK", 3 * n_dims)
    assert torch.equal(module._row_hashes(table), whole)
    monkeypatch.setattr(module, "_VALUES_PER_CHUNK", 1)
    assert torch.equal(module._row_hashes(table), whole)


def test_random_rows_do_not_collide():
    table = torch.randn((20_000, 5), generator=torch.Generator().manual_seed(0))
    assert len(module._row_hashes(table).unique()) == 20_000


@given(AWKWARD, st.sampled_from(["collapse", "keep"]))
@pytest.mark.filterwarnings("ignore::theodolite.core.errors.GeometryWarning")
def test_every_row_is_accounted_for(table, duplicates):
    try:
        clean = clean_points(table, nonfinite="drop", duplicates=duplicates)
    except PointsError:
        finite = table[np.isfinite(table).all(axis=1)]
        assert len(finite) == 0 or (len(finite) > 1 and (finite == finite[0]).all())
        return
    assert clean.n_points + clean.n_nonfinite + clean.n_duplicates == clean.n_given == len(table)
    assert clean.n_zero == int((table == 0).all(axis=1).sum())
    assert np.array_equal(clean.values.numpy(), table[clean.rows].astype(clean.values.numpy().dtype))
    assert np.all(np.diff(clean.rows) > 0)
    assert clean.rows.dtype == np.int64
    again = clean_points(clean.values, duplicates=duplicates)
    assert (again.n_nonfinite, again.n_duplicates, again.n_points) == (0, 0, clean.n_points)


@pytest.mark.parametrize("policy", ["nonfinite", "duplicates"])
def test_a_policy_that_is_no_word_of_ours_is_refused(policy):
    with pytest.raises(ParameterError, match=f"{policy} must be .* not 'dorp'"):
        clean_points(np.eye(3), **{policy: "dorp"})
