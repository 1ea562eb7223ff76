"""A grid's lanes, and what a cross-validation says of its candidates."""

import keras
import numpy as np
import pytest

import taut
from taut.optimizers.selection import parse
from taut.studies.crossvalidate import crossvalidate
from taut.studies.folded import folded_arrays
from taut.studies.grid import Candidate, Grid
from taut.studies.study_model import study_copy
from taut.studies.training_settings import Settings

STRENGTHS = (1e-1, 1e-3, 0.0)


@pytest.fixture(scope="module")
def rows():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(40, 3)).astype("float32")
    return x, x[:, :1] + 0.1 * draw.normal(size=(40, 1)).astype("float32")


@pytest.fixture(scope="module")
def model(rows):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, name="last")])
    model.compile("adam", "mse")
    return study_copy(model, parse(taut.L1(0.0)), rows[0])


def cross(model, rows, candidates, patience=None, **options):
    folded = folded_arrays(model, *rows, cv=2, seed=0)
    settings = Settings.checked(epochs=3, batch_size=8, patience=patience)
    grid = Grid(candidates, folded.folds, range(4, 6))
    return crossvalidate(model, folded, grid, settings, values=[{}, {}], **options)


def test_a_candidates_own_values_go_before_what_a_fold_learned():
    grid = Grid([Candidate((1.0,)), Candidate((2.0,), {"gate": np.zeros(1)})], 2, [7])
    learned = [{"gate": np.full(1, fold + 1.0), "mean": np.full(1, fold)} for fold in range(2)]
    lanes = grid.lanes(learned)
    assert [(lane.strengths[0], lane.split, lane.seed) for lane in lanes] == [
        (1.0, 0, 7),
        (2.0, 0, 7),
        (1.0, 1, 7),
        (2.0, 1, 7),
    ]
    assert [float(lane.values["gate"][0]) for lane in lanes] == [1, 0, 2, 0]
    assert [float(lane.values["mean"][0]) for lane in lanes] == [0, 0, 1, 1]


@pytest.mark.parametrize("warm_start", [None, "both"])
def test_each_lane_is_of_its_candidate_and_losses_are_their_means(model, rows, warm_start):
    candidates = [Candidate((strength,)) for strength in STRENGTHS]
    result = cross(model, rows, candidates, warm_start=warm_start, warm_epochs=2)
    losses = result.record.kept_losses()[1].astype(float)
    for number, strength in enumerate(STRENGTHS):
        for fold in range(2):
            lanes = result.lanes(number, fold)
            assert len(lanes) == (4 if warm_start else 2)
            for lane in (result.record.lanes[k] for k in lanes):
                assert (lane.strengths, lane.split) == ((strength,), fold)
            np.testing.assert_allclose(result.losses()[number, fold], losses[lanes].mean())


def test_a_candidate_that_diverges_is_infinitely_bad(model, rows):
    candidates = [Candidate((0.0,)), Candidate((0.0,), {"learning_rate": np.array(1e30)})]
    result = cross(model, rows, candidates)
    assert np.isinf(result.losses()[1]).all()
    assert np.isfinite(result.losses()[0]).all()
    assert result.healthy([1, 0]) == result.lanes(0).tolist()


def test_a_common_epoch_is_one_for_all_lanes_of_a_candidate(model, rows):
    jumping = {"learning_rate": np.array(0.9)}
    candidates = [Candidate((strength,), jumping) for strength in STRENGTHS]

    def epochs(result):
        return [set(result.record.best_epoch[result.lanes(k)]) for k in range(len(STRENGTHS))]

    # Each for itself keeps another epoch, and without either the last.
    assert max(map(len, epochs(cross(model, rows, candidates, patience=3)))) > 1
    assert set(map(len, epochs(cross(model, rows, candidates, common_epoch=True)))) == {1}
