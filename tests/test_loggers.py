"""Studies written down: TensorBoard by its real writer, MLflow by a client with its signatures."""

import importlib.util
import inspect
import struct
import sys
import types
from collections import namedtuple

import numpy as np
import pytest

from taut.engine import Lane, LaneEnd, News
from taut.errors import InputError
from taut.loggers import MLflowLogger, TensorBoardLogger, losses, parameters

LANES = [Lane((0.5,), 2, 7), Lane((0.1, 0.2), 0, None), Lane((0.0,), 1, 0)]
ENDS = [
    LaneEnd(0, LANES[0], "finished", np.float32([3, 2, 1]), np.float32([3.5, 2.5, 2])),
    LaneEnd(1, LANES[1], "diverged", np.float32([3, np.inf]), np.float32([np.nan, np.nan])),
    LaneEnd(2, LANES[2], "dropped", np.float32([3]), np.float32([4])),
]


def study(logger, ends=ENDS, lanes=LANES):
    logger.on_start(lanes, 3)
    for k, end in enumerate(ends):
        logger.on_lane_end(end)
        logger.on_update(News(len(lanes), k + 1, 0, 0, 1, 9, None, 1.0, None))
    logger.on_end()


def test_parameters_name_a_lane():
    assert parameters(LANES[0]) == {"strength": 0.5, "fold": 2, "seed": 7, "target": 0}
    several = {"strength_0": 0.1, "strength_1": 0.2, "fold": 0, "target": 0}
    assert parameters(LANES[1]) == {**several, "seed": "the model's weights"}


def test_losses_that_are_not_finite_are_left_out():
    assert list(losses(ENDS[1])) == [("train_loss", 0, 3.0)]


# TensorBoard


def events(directory):
    """The records of the event files of a directory: length, checksum, bytes, checksum."""
    from tensorboardX.proto.event_pb2 import Event

    [path] = directory.glob("events.out.tfevents.*")
    content, at = path.read_bytes(), 0
    while at < len(content):
        [length] = struct.unpack_from("<Q", content, at)
        yield Event.FromString(content[at + 12 : at + 12 + length])
        at += 16 + length


def scalars(directory):
    found = {}
    for event in events(directory):
        for value in event.summary.value:
            if value.WhichOneof("value") == "simple_value":
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def hyperparameters(directory):
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    for event in events(directory):
        for value in event.summary.value:
            data = HParamsPluginData.FromString(value.metadata.plugin_data.content)
            if data.WhichOneof("data") == "session_start_info":
                pairs = data.session_start_info.hparams.items()
                return {k: getattr(v, v.WhichOneof("kind")) for k, v in pairs}
    raise AssertionError("no session")


def test_tensorboard_reads_what_was_logged(tmp_path):
    study(TensorBoardLogger(tmp_path / "runs"))
    lanes = sorted((tmp_path / "runs" / "study-1").iterdir())
    assert [lane.name for lane in lanes] == ["lane-0000", "lane-0001", "lane-0002"]
    assert scalars(lanes[0]) == {
        "train_loss": [(0, 3.0), (1, 2.0), (2, 1.0)],
        "held_out_loss": [(0, 3.5), (1, 2.5), (2, 2.0)],
    }
    assert scalars(lanes[1]) == {"train_loss": [(0, 3.0)]}
    assert hyperparameters(lanes[0]) == {**parameters(LANES[0]), "status": "finished"}
    assert hyperparameters(lanes[1]) == {**parameters(LANES[1]), "status": "diverged"}


def test_a_second_study_keeps_the_first(tmp_path):
    for _ in range(2):
        study(TensorBoardLogger(str(tmp_path)), ENDS[:1])
    logger = TensorBoardLogger(tmp_path)
    study(logger, ENDS[:1])
    study(logger, ENDS[:1])
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"study-{k}" for k in (1, 2, 3, 4)]
    assert scalars(tmp_path / "study-1" / "lane-0000")["train_loss"][0] == (0, 3.0)


# MLflow

Param = namedtuple("Param", "key value")
Metric = namedtuple("Metric", "key value timestamp step")


class Client:
    """The methods of `mlflow.tracking.MlflowClient` that are used, with its signatures."""

    def __init__(self):
        self.experiments, self.runs = {}, {}

    def get_experiment_by_name(self, name):
        number = self.experiments.get(name)
        return None if number is None else types.SimpleNamespace(experiment_id=number)

    def create_experiment(self, name, artifact_location=None, tags=None):
        assert name not in self.experiments
        self.experiments[name] = str(len(self.experiments))
        return self.experiments[name]

    def create_run(self, experiment_id, start_time=None, tags=None, run_name=None):
        run = types.SimpleNamespace(
            info=types.SimpleNamespace(run_id=f"r{len(self.runs)}", experiment_id=experiment_id),
            name=run_name,
            tags=tags or {},
            params={},
            metrics=[],
            status="RUNNING",
            batches=[],
        )
        self.runs[run.info.run_id] = run
        return run

    def get_run(self, run_id):
        return self.runs[run_id]

    def log_batch(self, run_id, metrics=(), params=(), tags=(), synchronous=None):
        run = self.runs[run_id]
        assert len(metrics) <= 1000
        run.batches.append(len(metrics))
        run.metrics += [(m.key, m.step, m.value) for m in metrics]
        run.params |= {p.key: p.value for p in params}

    def set_terminated(self, run_id, status=None, end_time=None):
        assert self.runs[run_id].status == "RUNNING"
        self.runs[run_id].status = status


@pytest.fixture
def mlflow(monkeypatch):
    """MLflow's names for parameters and metrics, where it is not installed."""
    if importlib.util.find_spec("mlflow") is None:
        package, entities = types.ModuleType("mlflow"), types.ModuleType("mlflow.entities")
        entities.Param, entities.Metric = Param, Metric
        monkeypatch.setitem(sys.modules, "mlflow", package)
        monkeypatch.setitem(sys.modules, "mlflow.entities", entities)


def test_mlflow_has_a_run_for_each_lane(mlflow):
    client = Client()
    study(MLflowLogger("diabetes", run_name="path", client=client))
    assert client.experiments == {"diabetes": "0"}
    parent, first, second, third = client.runs.values()
    assert (parent.name, parent.status) == ("path", "FINISHED")
    assert parent.params == {"lanes": "3", "epochs": "3"}
    assert [run.tags["mlflow.parentRunId"] for run in (first, second, third)] == ["r0"] * 3
    assert [run.tags["taut.status"] for run in (first, second, third)] == [e.status for e in ENDS]
    assert [run.status for run in (first, second, third)] == ["FINISHED", "FAILED", "KILLED"]
    assert first.params == {"strength": "0.5", "fold": "2", "seed": "7", "target": "0"}
    assert first.metrics == list(losses(ENDS[0]))
    assert second.metrics == [("train_loss", 0, 3.0)]
    study(MLflowLogger("diabetes", client=client))  # which is there by now
    assert {run.info.experiment_id for run in client.runs.values()} == {"0"}


def test_many_epochs_are_logged_in_parts(mlflow):
    client = Client()
    curve = np.linspace(2, 1, 1300)
    study(MLflowLogger(client=client), [LaneEnd(0, LANES[0], "finished", curve, curve)])
    run = client.runs["r1"]
    assert run.batches == [1000, 1000, 600]
    assert len(set(run.metrics)) == 2600


def test_an_interrupted_study_was_killed(mlflow):
    client = Client()
    study(MLflowLogger(client=client), ENDS[:1])
    assert client.runs["r0"].status == "KILLED"


def test_a_run_that_was_given_is_not_ended(mlflow):
    client = Client()
    given = client.create_run("5").info.run_id
    study(MLflowLogger(run_id=given, client=client))
    assert client.experiments == {}
    assert client.runs[given].status == "RUNNING"
    lanes = [run for run in client.runs.values() if run.info.run_id != given]
    assert len(lanes) == 3
    assert all(run.tags["mlflow.parentRunId"] == given for run in lanes)
    assert all(run.info.experiment_id == "5" for run in lanes)


def test_the_client_has_the_signatures_of_the_real_one():
    tracking = pytest.importorskip("mlflow.tracking")
    for name, method in inspect.getmembers(Client, inspect.isfunction):
        if not name.startswith("_"):
            own = list(inspect.signature(method).parameters)
            real = list(inspect.signature(getattr(tracking.MlflowClient, name)).parameters)
            assert real[: len(own)] == own, name


@pytest.mark.parametrize(
    ("make", "package", "install"),
    [
        (lambda: TensorBoardLogger("runs"), "tensorboardX", "tensorboardX"),
        (lambda: MLflowLogger(), "mlflow", "mlflow-skinny"),
    ],
    ids=["tensorboard", "mlflow"],
)
def test_a_missing_package_is_named(monkeypatch, make, package, install):
    real = importlib.import_module

    def missing(name, *rest):
        if name.split(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return real(name, *rest)

    monkeypatch.setattr("taut.loggers.import_module", missing)
    with pytest.raises(InputError, match=rf"package {package}.*pip install {install}"):
        make()
