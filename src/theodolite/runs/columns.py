"""What a column of a study's table means: the data dictionary, and the types that rows are held to."""

from collections.abc import Mapping
from dataclasses import dataclass

from theodolite.core.errors import ParameterError
from theodolite.core.hashing import hash_json

_KINDS = {
    "str": "String",
    "int": "Int64",
    "float": "Float64",
    "bool": "Boolean",
}
_POLARS = (
    "String",
    "Boolean",
    "Float32",
    "Float64",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
)
_LISTS = tuple(f"List({name})" for name in _POLARS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a study's table. Every column may hold None.

    Attributes
    ----------
    dtype : str
        "str", "int", "float", "bool", a polars name such as "Float32" or "UInt16", or a list of those, such as
        "List(Int32)".
    meaning : str
        One sentence.
    unit : str
        "fraction", "nats", "distances in the units of the points"; empty where there is none.
    range : str
        What values can occur, such as "[0, 1]"; empty where anything can.
    key : bool or None
        Whether it says what was measured rather than what came out; None where the type and the name say it (see
        `is_key_column`).

    Raises
    ------
    ParameterError
        If `dtype` is none of these.

    Examples
    --------
    >>> Column(dtype="float", meaning="Estimate", unit="dimensions", range="[0, inf)").polars_name
    'Float64'
    """

    dtype: str
    meaning: str
    unit: str = ""
    range: str = ""
    key: bool | None = None

    def __post_init__(self) -> None:
        if self.dtype not in _KINDS and not is_type(self.dtype):
            raise ParameterError(
                f"A column cannot have dtype {self.dtype!r}. Use one of {', '.join((*_KINDS, *_POLARS))}, "
                "or a list such as List(Int32)."
            )

    @property
    def polars_name(self) -> str:
        """Name of the polars type the column is stored as."""
        return _KINDS.get(self.dtype, self.dtype)


def is_type(name: object) -> bool:
    """Say whether something names a type that a column can be stored as.

    Examples
    --------
    >>> is_type("List(Int32)"), is_type("Object")
    (True, False)
    """
    return name in _POLARS or name in _LISTS


def columns_hash(columns: Mapping[str, Column]) -> str:
    """Return a hash of names, order and types: stored rows of another layout are not reused.

    Examples
    --------
    >>> one = {"value": Column(dtype="float", meaning="Estimate")}
    >>> other = {"value": Column(dtype="Float64", meaning="The estimate")}
    >>> columns_hash(one) == columns_hash(other)
    True
    """
    return hash_json([[name, column.polars_name] for name, column in columns.items()])


def is_key_column(name: str, column: Column) -> bool:
    """Say whether a column tells rows apart, or holds what was measured.

    Text, booleans and whole numbers say what was measured, except counts, whose names begin with `n_`. Floats are what
    came out. `Column.key` says otherwise where that is wrong, as for a position on a continuous axis.

    Examples
    --------
    >>> layer, count = (Column(dtype="int", meaning="a whole number") for _ in range(2))
    >>> is_key_column("layer", layer), is_key_column("n_used", count)
    (True, False)
    >>> is_key_column("x", Column(dtype="float", meaning="bin edge", key=True))
    True
    """
    if column.key is not None:
        return column.key
    return not column.polars_name.startswith("Float") and not name.startswith("n_")


def data_dictionary(columns: Mapping[str, Column]) -> list[dict[str, str]]:
    """Return name, type, unit, range and meaning of each column, for docs and reports.

    Parameters
    ----------
    columns : mapping of str to Column
        A study's `COLUMNS`.

    Returns
    -------
    list of dict
        One for each column, in their order.

    Examples
    --------
    >>> data_dictionary({"n": Column(dtype="int", meaning="Points used", range="[0, inf)")})
    [{'name': 'n', 'dtype': 'Int64', 'unit': '', 'range': '[0, inf)', 'meaning': 'Points used'}]
    """
    return [
        {"name": name, "dtype": one.polars_name, "unit": one.unit, "range": one.range, "meaning": one.meaning}
        for name, one in columns.items()
    ]
