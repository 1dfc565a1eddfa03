"""quiet(): NumPy's errstate for "ignore everything", with its behaviour to the last point."""

import threading
import warnings

import numpy as np
import pytest

import dualdiff.quiet
from dualdiff.quiet import Quiet, quiet

SILENT = dict.fromkeys(("divide", "over", "under", "invalid"), "ignore")


def test_error_state_of_numpy_is_found():
    assert quiet is Quiet  # else every sweep pays for np.errstate
    assert dualdiff.quiet.STATE.name == "numpy.ufunc.extobj"


@pytest.mark.parametrize("setting", ["warn", "raise", "ignore"])
def test_quiet_is_errstate_and_leaves_what_was_there(setting):
    with np.errstate(all=setting):
        before = np.geterr()
        with quiet():
            assert np.geterr() == SILENT
            assert np.log(np.zeros(1)) == -np.inf and np.float64(1.0) / 0 == np.inf
            with np.errstate(divide="raise"), quiet():
                assert np.geterr() == SILENT
            assert np.geterr() == SILENT
        assert np.geterr() == before
        with pytest.raises(ZeroDivisionError), quiet():
            raise ZeroDivisionError
        assert np.geterr() == before


def test_quiet_is_that_of_its_thread():
    found = []
    with quiet():
        thread = threading.Thread(target=lambda: found.append(np.geterr()))
        thread.start()
        thread.join()
        assert np.geterr() == SILENT
    assert found == [np.geterr()] and found[0] != SILENT


def test_handler_of_the_user_is_not_called_and_comes_back():
    called = []
    before = np.seterrcall(lambda *what: called.append(what))
    try:
        with np.errstate(all="call"):
            with quiet():
                np.log(np.zeros(1))
            assert called == []
            np.log(np.zeros(1))
            assert len(called) == 1
    finally:
        np.seterrcall(before)


def test_warnings_come_back_behind_it():
    with quiet():
        pass
    with warnings.catch_warnings(), pytest.raises(RuntimeWarning):
        warnings.simplefilter("error")
        np.log(np.zeros(1))
