import inspect

import pytest

from theodolite.core import errors
from theodolite.core.errors import NotFoundError, ParameterError, ReferenceSyntaxError, TheodoliteError

ERRORS = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, TheodoliteError)]


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_is_caught_by_the_base_and_prints_its_message_alone(error):
    with pytest.raises(TheodoliteError, match="what to do"):
        raise error("what to do")
    assert str(error("what to do")) == "what to do"
    assert error.exit_code in (1, 2)


@pytest.mark.parametrize("error", [one for one in ERRORS if one is not TheodoliteError])
def test_every_error_is_also_the_builtin_a_caller_expects(error):
    assert issubclass(error, ValueError | FileNotFoundError | RuntimeError | ConnectionError)


def test_errors_of_usage_exit_with_2():
    assert (ParameterError.exit_code, ReferenceSyntaxError.exit_code, TheodoliteError.exit_code) == (2, 2, 1)


def test_not_found_without_a_message_is_empty():
    assert str(NotFoundError()) == ""
