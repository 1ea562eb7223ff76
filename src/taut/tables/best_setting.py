"""The best setting, in numbers: its loss, the grid's edge, zeros that the penalty made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from taut.engine import afterwards
from taut.objective import stationarity
from taut.objective.stationarity import CONVERGED
from taut.run_metrics import Certificate, Choice, Predicting
from taut.studies import choose
from taut.tables.ensemble import Ensemble
from taut.tables.lane_weights import zero_share
from taut.tables.trained import Trained

LEAST_PATH = 3


def describe(trained: Trained, ensemble: Ensemble, candidates: Sequence[int]) -> Choice:
    """Who predicts, and what the best setting is.

    Args:
        trained: The trained lanes.
        ensemble: The settings that predict.
        candidates: Settings that could have been chosen.
    """
    best = ensemble.best
    setting, lanes = trained.settings[best], list(map(int, trained.cross.lanes(best)))
    path = [
        i
        for i, s in enumerate(trained.settings)
        if (s.penalty, s.network) == (setting.penalty, setting.network)
    ]
    by_fold = np.array([trained.fold_losses(i) for i in path])
    choice = choose(by_fold, np.array([trained.settings[i].strength for i in path]))
    simpler = trained.settings[path[choice.one_standard_error]]
    return Choice(
        penalty=setting.penalty,
        strength=setting.strength,
        network=setting.network,
        rule=ensemble.rule,
        cv_loss=float(choice.mean[path.index(best)]),
        cv_se=float(choice.standard_error[path.index(best)]),
        one_se_penalty=simpler.penalty,
        one_se_strength=simpler.strength,
        models=ensemble.members,
        settings=tuple(
            Predicting(s.penalty, s.strength, s.network, models)
            for s, models in ensemble.models_of(trained)
        ),
        edge=edge(trained, best, candidates),
        # Only L1 makes zeros; what else is exactly 0 says nothing of the penalty.
        zero_share=_zeros(trained, lanes) if setting.penalty == "L1" else None,
        stationarity=afterwards("The certificate", lambda: _certificate(trained, lanes[0]), None),
    )


def _zeros(trained: Trained, lanes: Sequence[int]) -> float:
    return float(np.mean([zero_share(trained, lane) for lane in lanes]))


def edge(trained: Trained, best: int, candidates: Sequence[int]) -> str | None:
    """ "weakest" or "strongest" if the best strength is the last that was tried on that side.

    It is compared with the strengths of its penalty on its own network, or, where these are
    fewer than three, on all networks.
    """
    setting = trained.settings[best]
    if setting.penalty == "none":
        return None
    tried = [s for s in (trained.settings[i] for i in candidates) if s.penalty == setting.penalty]
    path = [s.strength for s in tried if s.network == setting.network]
    if len(set(path)) < LEAST_PATH:
        path = [s.strength for s in tried]
    if len(set(path)) < 2:
        return None
    return {min(path): "weakest", max(path): "strongest"}.get(setting.strength)


def _certificate(trained: Trained, lane: int) -> Certificate:
    """Of one of the models that were chosen, on the rows that it was trained on."""
    model = trained.record.apply(lane, trained.model)
    learned_from = trained.rows.at(trained.splits[trained.record.lanes[lane].split].train)
    measured = stationarity(
        model, learned_from.encoded, learned_from.y, sample_weight=learned_from.weight
    )
    return Certificate(measured.largest, measured.note, CONVERGED)
