"""The benchmarks compute what they say, at a tiny size, and the harness reports it. No time is asserted."""

import json

import numpy as np
import pytest

from benchmarks import report
from benchmarks.candidates import PEERS, Dualdiff
from benchmarks.harness import (
    BY_HAND,
    REPLAYED,
    SUBJECT,
    TOLERANCE,
    Case,
    LeftOut,
    Row,
    disagreement,
    measure,
)
from benchmarks.workloads import WORKLOADS, chosen, gmm

CASES = {case.name: case for module in WORKLOADS.values() for case in module.cases(tiny=True)}
CHECKED = [case for case in CASES.values() if not case.measured]
OURS = [
    (case, label)
    for case in CHECKED
    for label in case.candidates
    if label not in PEERS and label not in case.apart and label != BY_HAND
]


@pytest.mark.parametrize(("case", "label"), OURS, ids=[f"{case.name}-{label}" for case, label in OURS])
def test_workload_agrees_with_its_reference(case, label):
    result, reference = (case.candidates[name]()() for name in (label, BY_HAND))
    assert disagreement(result, reference) < TOLERANCE


@pytest.mark.parametrize("name", [case.name for case in CASES.values() if case.measured])
def test_own_measurement_is_a_positive_number(name):
    assert CASES[name].candidates[SUBJECT]()() > 0


# The smallest mixture of ADBench's tests and what it expects: two dimensions, three components, one point
# (github.com/microsoft/ADBench, MIT licence, copyright Microsoft Corporation).
MIXTURE = (
    np.array([-0.649014, 1.181166, -0.758453]),
    np.array([[0.092339, 0.18626], [0.345561, 0.396767], [0.538817, 0.419195]]),
    np.array(
        [[0.586443, -0.851887, 0.800321], [-1.509405, 0.875874, -0.24279], [0.166813, -1.965419, -1.270071]]
    ),
)
POINT = np.array([[1.175171, 2.02916]])
OBJECTIVE = 8.073804080049758
GRADIENT = (
    np.array([0.10866285550865246, -0.7412700395238985, 0.6326071840152461]),
    np.array(
        [
            [1.1169257653278701, 0.16333301355145527],
            [-0.021998982407119314, 0.2277782922542361],
            [1.2096302561283219, -0.060637592073395634],
        ]
    ),
    np.array(
        [
            [2.5852999405116224, 0.11263269452421379, 0.3857443098496118],
            [0.07351805731823055, 5.418363627155952, -0.32149440967744647],
            [1.7189230977500494, 0.8600910907908669, -0.9946409304663228],
        ]
    ),
)


@pytest.mark.parametrize("mode", ["forward", "reverse", "by hand"])
def test_mixture_agrees_with_published_numbers(mode):
    data = POINT, gmm.placement(2), 1.0, 0.0, gmm.constant(1, 2, 3, 1.0, 0)
    if mode == "by hand":
        found = gmm.by_hand(MIXTURE, *data)
    else:
        found = Dualdiff(mode).gradient(gmm.log_posterior, MIXTURE, *data)()
    assert disagreement(found, (OBJECTIVE, GRADIENT)) < 1e-13


def doubling(**candidates):
    """A case of the function 2 x at 3, whose derivative is 2."""
    case = Case("doubling", "2 x", targets={"peer": 0.5})
    case.add("function", lambda: lambda: 6.0)
    case.add(BY_HAND, lambda: lambda: 2.0)
    case.add(SUBJECT, lambda: lambda: np.float64(2))
    for label, prepare in candidates.items():
        case.add(label, prepare)
    return case


def rows_of(case):
    return {row.label: row for row in measure(case, rounds=2, least=1e-9)}


def test_a_wrong_candidate_is_not_timed():
    row = rows_of(doubling(peer=lambda: lambda: 2.1))["peer"]
    assert row.median is None
    assert row.note.startswith("wrong")


def test_a_candidate_set_apart_is_timed_whatever_it_computes():
    case = doubling(peer=lambda: lambda: 2.1)
    case.apart += ("peer",)
    assert rows_of(case)["peer"].median > 0


def test_a_missing_peer_is_left_out_and_said():
    def absent():
        raise ModuleNotFoundError("No module named 'peer'")

    case = doubling(peer=absent)
    rows = measure(case, rounds=2, least=1e-9)
    assert rows[-1].median is None
    assert "peer left out: No module named 'peer' (doubling)" in report.text([(case, rows)])


def test_a_candidate_left_out_says_why():
    def prepare():
        raise LeftOut("it takes an hour")

    assert rows_of(doubling(peer=prepare))["peer"].note == "left out: it takes an hour"


def test_a_failing_candidate_does_not_end_the_run():
    def fails():
        raise ValueError("no rule")

    rows = rows_of(doubling(peer=lambda: fails))
    assert rows["peer"].note == "failed: ValueError: no rule"
    assert rows[SUBJECT].median > 0


def test_measured_values_and_ratios_are_those_returned():
    case = Case("own", "own numbers", count=2, targets={"peer": 0.5}, measured=True)
    for label, value in {"function": 4.0, SUBJECT: 12.0, "peer": 8.0}.items():
        case.add(label, lambda value=value: lambda: value)
    rows = rows_of(case)
    assert (rows[SUBJECT].median, rows[SUBJECT].over_function) == (6.0, 3.0)
    assert (rows["peer"].subject_over, rows["peer"].missed) == (1.5, True)
    assert rows["peer"].replayed_over is None
    case.add(REPLAYED, lambda: lambda: 2.0)
    rows = rows_of(case)
    assert (rows["peer"].replayed_over, rows["peer"].met_by_replay) == (0.25, True)
    assert rows["function"].replayed_over is None


def test_disagreement_sees_shape_value_and_nan():
    assert disagreement((1.0, [np.ones(2)]), [1.0, np.ones(2)]) == 0
    assert disagreement(np.ones(2), np.ones(3)) == np.inf
    assert disagreement([0.0], [1e-6]) == pytest.approx(1e-6)
    assert disagreement(np.nan, 1.0) == np.inf


def test_every_target_names_a_candidate():
    assert [(c.name, t) for c in CASES.values() for t in c.targets if t not in c.candidates] == []


def test_reports_hold_every_number():
    case = doubling()
    rows = [
        Row(BY_HAND, median=2.0, least=1.5, subject_over=3.0, target=2.5),
        Row(SUBJECT, median=6.0, least=6.0),
    ]
    found = json.loads(report.as_json([(case, rows)], {"numpy": "2"}))
    assert found["environment"] == {"numpy": "2"}
    assert found["cases"][0]["rows"][0]["missed"] is True
    line = "| doubling, us | by hand | 2 | 1.5 |  |  | 3 | {} | <= 2.5 {} |"
    assert line.format("", "MISSED") in report.markdown([(case, rows)], {})
    rows[0].replayed_over = 2.0
    assert line.format("2", "by replay alone") in report.markdown([(case, rows)], {})
    rows[0].replayed_over = 2.7
    assert line.format("2.7", "MISSED") in report.markdown([(case, rows)], {})


def test_names_choose_workloads_and_cases():
    assert [case.name for case in chosen(["mlp", "chain-jvp"])] == ["chain-jvp", "mlp"]
    assert [case.name for case in chosen(["chain"])] == [
        "chain-vjp",
        "chain-gradient",
        "chain-jvp",
        "chain-vmap",
    ]
    with pytest.raises(ValueError, match="no workload is called nothing; there are chain"):
        chosen(["nothing"])
