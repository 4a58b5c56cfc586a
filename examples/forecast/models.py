"""Four ways to foretell a series, all by paths: seasonal-naive, ARIMA, an MLP, DeepAR.

Each takes the series to learn from, the histories to go on from, and what the plan says, and
gives an array (histories, paths, horizon).
"""

from __future__ import annotations

import logging
import random
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

PATHS = 100
HARMONICS = 3
ARIMA_FITS_ON = 1000

Series = list[tuple[Any, np.ndarray]]
"""(time of the first step, values) of each."""
Plan = dict[str, Any]


def naive(learn: Series, asked: Series, plan: Plan) -> np.ndarray:
    """The last season once more, and how far such a forecast was off in the history."""
    season, horizon = plan["season"], plan["horizon"]
    chance = np.random.default_rng(plan["seed"])
    made = []
    for _, known in asked:
        steps = np.arange(horizon)
        lag = season * (steps // season + 1)
        path = known[len(known) + steps - lag]
        begins = np.arange(season, len(known) - horizon + 1)
        was = known[begins[:, None] + steps] - known[begins[:, None] + steps - lag]
        made.append(path + was[chance.integers(0, len(was), PATHS)])
    return np.stack(made)


def arima(learn: Series, asked: Series, plan: Plan) -> np.ndarray:
    """ARIMA of the plan's order for each item, with Fourier terms where there is a season.

    The coefficients are those of an item's first history; ``refit`` finds them for each.
    """
    from statsmodels.tsa.arima.model import ARIMA

    warnings.filterwarnings("ignore")
    horizon, made, fitted = plan["horizon"], [], None
    for number, (_, whole) in enumerate(asked):
        known = whole[-ARIMA_FITS_ON:].astype(float)
        waves = _waves(len(whole) - len(known), len(known) + horizon, plan["season"])
        inside, after = (None, None) if waves is None else (waves[:-horizon], waves[-horizon:])
        if number % plan["windows"] == 0 or plan.get("refit"):
            trend = "c" if plan["order"][1] == 0 else "n"
            fitted = ARIMA(known, exog=inside, order=plan["order"], trend=trend).fit()
        else:
            fitted = fitted.apply(known, exog=inside)
        paths = fitted.simulate(
            horizon, anchor="end", repetitions=PATHS, exog=after, random_state=plan["seed"]
        )
        made.append(np.asarray(paths).reshape(horizon, PATHS).T)
    return np.stack(made)


def _waves(first: int, steps: int, season: int) -> np.ndarray | None:
    """Sines and cosines of the season; None where there is none."""
    if season == 1:
        return None
    angle = 2 * np.pi * np.arange(first, first + steps)[:, None] / season
    turns = angle * np.arange(1, HARMONICS + 1)
    return np.hstack([np.sin(turns), np.cos(turns)])


def mlp(learn: Series, asked: Series, plan: Plan) -> np.ndarray:
    """GluonTS's SimpleFeedForward: each step of the horizon has a Student-t of its own."""
    from gluonts.torch import SimpleFeedForwardEstimator

    estimator = SimpleFeedForwardEstimator(
        plan["horizon"],
        context_length=plan["context"],
        hidden_dimensions=[64, 64],
        lr=plan["rate"],
        num_batches_per_epoch=50,
        trainer_kwargs=_trainer(plan),
    )
    return _fitted(estimator, learn, asked, plan)


def deepar(learn: Series, asked: Series, plan: Plan) -> np.ndarray:
    """GluonTS's DeepAR (Salinas et al., 2020): one recurrent network for all items."""
    return _fitted(network(plan), learn, asked, plan)


def network(plan: Plan) -> Any:
    """The DeepAR of a plan, untrained."""
    from gluonts.time_feature import day_of_week, hour_of_day
    from gluonts.torch import DeepAREstimator
    from gluonts.torch.distributions import (
        NegativeBinomialOutput,
        NormalOutput,
        StudentTOutput,
    )

    features = {"hour": hour_of_day, "weekday": day_of_week}
    likelihoods = {
        "student-t": StudentTOutput,
        "gaussian": NormalOutput,
        "negative binomial": NegativeBinomialOutput,
    }
    return DeepAREstimator(
        plan["freq"],
        plan["horizon"],
        context_length=plan["context"],
        hidden_size=plan["hidden"],
        num_layers=2,
        dropout_rate=plan["dropout"],
        lags_seq=plan["lags"],
        time_features=[features[one] for one in plan["features"]],
        distr_output=likelihoods[plan["likelihood"]](),
        lr=plan["rate"],
        num_parallel_samples=PATHS,
        num_batches_per_epoch=50,
        trainer_kwargs=_trainer(plan),
    )


def _trainer(plan: Plan) -> dict[str, Any]:
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    return {
        "max_epochs": plan["epochs"],
        "accelerator": "cpu",
        "default_root_dir": tempfile.mkdtemp(),
        "enable_model_summary": False,
        "enable_progress_bar": False,
        "logger": False,
    }


def _fitted(estimator: Any, learn: Series, asked: Series, plan: Plan) -> np.ndarray:
    """Trains, leaves the weights in ``model.safetensors``, and goes on from each history."""
    import torch
    from gluonts.dataset.common import ListDataset
    from safetensors.torch import save_file

    random.seed(plan["seed"])
    np.random.seed(plan["seed"])
    torch.manual_seed(plan["seed"])
    predictor = estimator.train(_listed(ListDataset, learn, plan))
    weights = predictor.prediction_net.model.state_dict()
    save_file({name: one.contiguous() for name, one in weights.items()}, "model.safetensors")
    made = []
    for one in predictor.predict(_listed(ListDataset, asked, plan)):
        path = one if hasattr(one, "samples") else one.to_sample_forecast(PATHS)
        made.append(path.samples)
    return np.stack(made)


def _listed(kind: Any, series: Series, plan: Plan) -> Any:
    return kind([{"start": at, "target": one} for at, one in series], freq=plan["freq"])


MODELS = {"naive": naive, "arima": arima, "mlp": mlp, "deepar": deepar}


def exported(plan: Plan, weights: Path) -> Path:
    """A trained DeepAR as ONNX: what it says of the next step after a history.

    Inputs are one history (as long as context and longest lag) and the features of its steps
    and of the next; outputs the parameters of the likelihood, and the scale of the series.
    """
    import torch
    from safetensors.torch import load_file

    whole = network(plan).create_lightning_module().model
    whole.load_state_dict(load_file(weights))
    whole.eval()
    steps = plan["context"] + max(plan["lags"])

    class NextStep(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.whole = whole

        def forward(self, history, features, next_features):  # type: ignore[no-untyped-def]
            none = history.new_zeros(len(history), 1)
            said, scale, *_ = self.whole.unroll_lagged_rnn(
                none.long(), none, features, history, torch.ones_like(history), next_features
            )
            return torch.stack([one[:, -1] for one in said], dim=1), scale

    many = whole.num_feat_dynamic_real  # the plan's, and how old the item is
    row = torch.rand(1, steps), torch.rand(1, steps, many), torch.rand(1, 1, many)
    torch.onnx.export(
        NextStep(),
        row,
        "deepar.onnx",
        dynamo=False,
        input_names=["history", "features", "next_features"],
        output_names=["parameters", "scale"],
    )
    return Path("deepar.onnx")
