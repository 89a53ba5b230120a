"""Rows of a table by name: neighbors, dimension, length; and what stands out."""

import numpy as np
import pytest

from theodolite.core.errors import NotFoundError, ParameterError
from theodolite.studies.similarity.tokens import TokenIndex, candidates, find_rows
from theodolite.tables import load_table


@pytest.fixture
def words(tmp_path):
    """300 words, five of them odd: a short one, a copy, a multiple, a zero, one that is not finite."""
    generator = np.random.default_rng(2)
    points = generator.normal(size=(300, 6)) + 2
    points[100] *= 0.01
    points[101], points[102] = points[7], 2 * points[8]
    points[103] = 0
    points[104, 2] = np.nan
    path = tmp_path / "words.txt"
    path.write_text("".join(f"w{i} {' '.join(f'{x:.6f}' for x in row)}\n" for i, row in enumerate(points)))
    return path, points


def test_a_token_and_its_neighbors(theodolite):
    done = theodolite("tokens", "bundled:pocket-128", "--token", " was", "--token", " dog", "--k", "5", "--json")
    assert done.code == 0
    was, dog = done.json["tokens"]
    assert (was["token"], dog["token"]) == (" was", " dog")
    assert [one["token"] for one in was["neighbors"]][:2] == [" were", " is"]
    cosines = [one["cosine"] for one in was["neighbors"]]
    assert len(cosines) == 5
    assert cosines == sorted(cosines, reverse=True)
    assert was["count"] > dog["count"] > 0
    assert was["dimension"] > 0
    assert 3 <= was["components"] <= 99


def test_numbers_are_those_of_the_rows(words):
    path, points = words
    table = load_table(str(path))
    index = TokenIndex(table, k=4, metric="euclidean")
    found = index.view(20)
    apart = np.linalg.norm(points[:100] - points[20], axis=1)
    apart[20] = np.inf
    near = [one for one in found.neighbors if one.token_id < 100]
    for one in near:
        assert one.distance == pytest.approx(apart[one.token_id], abs=1e-4)
    assert found.norm == pytest.approx(np.linalg.norm(points[20]), rel=1e-5)
    assert found.note == ""


def test_odd_rows_are_found(words):
    path, _ = words
    by_direction = TokenIndex(load_table(str(path)), k=4).suspicious()
    assert by_direction["zero"] == [103]
    assert by_direction["not finite"] == [104]
    assert 100 in by_direction["shorter than half the median"]
    assert 101 in by_direction["same direction as an earlier row"]
    by_place = TokenIndex(load_table(str(path)), k=4, metric="euclidean").suspicious()
    assert by_place["equal to an earlier row"] == [101]


def test_rows_without_neighbors_of_their_own_say_why(words):
    path, _ = words
    index = TokenIndex(load_table(str(path)), k=4)
    assert "same direction as 'w7'" in index.view(101).note
    assert len(index.view(101).neighbors) == 4
    assert "zero" in index.view(103).note
    assert "not finite" in index.view(104).note
    assert index.view(104).neighbors == ()


def test_without_a_token_the_rows_that_stand_out(theodolite, words):
    path, _ = words
    done = theodolite("tokens", path, "--shown", "3", "--json")
    assert done.code == 0
    assert len(done.json["lowest"]) == len(done.json["highest"]) == 3
    assert done.json["lowest"][0]["dimension"] < done.json["highest"][0]["dimension"]
    assert done.json["suspicious"]["zero"] == {"n": 1, "tokens": [{"token_id": 103, "token": "w103"}]}
    shown = theodolite("tokens", path, "--shown", "3").out
    assert "Lowest local dimension" in shown
    assert "1 row zero: 'w103'" in shown


def test_what_a_person_sees(theodolite):
    done = theodolite("tokens", "bundled:pocket-64", "--token", " dog", "--which", "output")
    assert done.code == 0
    assert "' dog' (id 2030): length" in done.out
    assert "cosine" in done.out
    assert theodolite("tokens", "bundled:pocket-64", "--token", " dog", "--quiet").out == ""


def test_an_unknown_token_names_the_nearest(theodolite):
    done = theodolite("tokens", "bundled:pocket-64", "--token", "Dog")
    assert done.code != 0
    assert "There is no token 'Dog'. Nearest: ' dog'" in done.err
    assert candidates([" dog", "Dog", "cat"], "dog") == [" dog", "Dog"]
    assert candidates(["a"], " ") == []


def test_marks_of_tokenizers_are_blanks():
    table = load_table("bundled:pocket-64")
    assert find_rows(table, "\u0120dog") == find_rows(table, "\u2581dog") == find_rows(table, " dog")
    with pytest.raises(NotFoundError, match="Nearest"):
        find_rows(table, "doggg")


def test_a_table_without_tokens(theodolite, table_file):
    with pytest.raises(ParameterError, match="has no token strings"):
        find_rows(load_table(str(table_file)), "dog")
    done = theodolite("tokens", table_file, "--json")
    assert done.code == 0
    assert done.json["lowest"][0]["token"].startswith("row ")
    with pytest.raises(ParameterError, match="k=1 is too small"):
        TokenIndex(load_table(str(table_file)), k=1)
