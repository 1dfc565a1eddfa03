"""Every promise has a test, every number in a test is a promise, and the page says so."""

import pytest
from promises import FAMILIES, PAGE, PROMISES, carriers, holding, page


@pytest.fixture(scope="module")
def held():
    pytest.importorskip("scipy")  # some promises are about its functions
    return holding()


def test_every_promise_has_a_test(held):
    assert [number for number in PROMISES if number not in held] == []


def test_every_number_of_a_test_is_a_promise(held):
    assert {number: files for number, files in held.items() if number not in PROMISES} == {}


def test_page_is_up_to_date(held):
    assert PAGE.read_text() == page(held), "run: python tests/promises.py > docs/reference/promises.md"


def test_promises_are_many_and_short():
    assert len(PROMISES) == 252
    assert len(set(PROMISES.values())) == len(PROMISES)
    assert all(words.endswith(".") and len(words) < 200 for words in PROMISES.values())
    for rows in FAMILIES.values():
        numbers = [int(k) for k in rows if k != "title"]
        assert numbers == sorted(numbers)


def test_files_that_take_numbers_are_found():
    assert {"test_ops.py", "test_conventions_of_kinks.py", "test_in_place.py"} <= {p.name for p in carriers()}
