"""Smaller networks at several budgets of multiply-adds: taut against Torch-Pruning, on one network.

    apt-get install dataset-fashion-mnist
    pip install -e . torch && pip install --no-deps torch-pruning
    python benchmarks/compaction.py --seeds 3

6,000 training images of Fashion-MNIST, all 10,000 test images. Four convolutions (16, 32, 64 and
64 filters, 3×3, batch normalisation, ReLU, three poolings), global average pooling and a dense
layer are trained for 8 epochs (Adam, batch 64, a learning rate that falls from 0.006 to 0 as a
cosine: of 0.003, 0.006 and 0.01 it gave the whole network the best accuracy). Every system starts
from these very weights and has 8 epochs for each budget, with the same rates:

* taut: `compact(model, x, y, target_macs=…, epochs=8)`, with distillation (the default) and
  without, and with `epochs=0`: by least squares alone.
* Torch-Pruning, group norm: 4 epochs with `GroupNormPruner.regularize`, pruned, 4 epochs, the
  rates of each half as those of 4 epochs.
* Torch-Pruning, magnitude: pruned by `GroupMagnitudeImportance`, 8 epochs; also with the very
  distillation that taut has.

Both prune globally, to the ratio (found by bisection) that meets the budget. All multiply-adds are
counted by one formula.
"""

import argparse
import copy
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HOME = Path("/usr/share/datasets/fashion-mnist")
ROWS, BATCH, EPOCHS, HALF = 6_000, 64, 8, 4
FILTERS, POOLED = (16, 32, 64, 64), (0, 1, 2)  # pooling behind these convolutions
BUDGETS = 2, 4, 6, 10
RATE = 6e-3


def data():
    import numpy as np

    def read(name, kind):
        raw = gzip.decompress((HOME / f"{name}-{kind}-ubyte.gz").read_bytes())
        return np.frombuffer(raw, np.uint8, offset=16 if kind == "images-idx3" else 8)

    def rows(name):
        x = read(name, "images-idx3").reshape(-1, 28, 28, 1).astype("float32") / 255
        return (x - 0.286) / 0.353, read(name, "labels-idx1").astype("int32")

    x, y = rows("train")
    return x[:ROWS], y[:ROWS], *rows("t10k")


def network(sizes=None):
    from keras import Input, Sequential, layers

    parts = [Input((28, 28, 1))]
    for place, filters in enumerate(sizes or FILTERS):
        parts += [
            layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"conv{place}"),
            # Of short memory: a penalty makes the scale of what comes in shrink fast.
            layers.BatchNormalization(name=f"norm{place}", epsilon=1e-5, momentum=0.9),
            layers.ReLU(),
        ]
        parts += [layers.MaxPooling2D()] if place in POOLED else []
    return Sequential([*parts, layers.GlobalAveragePooling2D(), layers.Dense(10, name="out")])


def train_dense(seed, folder):
    import keras

    x, y, x_test, y_test = data()
    keras.utils.set_random_seed(seed)
    model = network()
    compile_for(model, EPOCHS)
    model.fit(x, y, epochs=EPOCHS, batch_size=BATCH, verbose=0)
    model.save(folder / "dense.keras")
    return {"accuracy": accuracy(model, x_test, y_test)}


def compile_for(model, epochs):
    import keras

    rate = keras.optimizers.schedules.CosineDecay(RATE, epochs * -(-ROWS // BATCH))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss)


def accuracy(model, x, y):
    return float((model.predict(x, batch_size=500, verbose=0).argmax(1) == y).mean())


def run_taut(seed, folder, **options):
    import keras

    import taut

    x, y, x_test, y_test = data()
    whole = taut.compaction.multiply_adds(keras.models.load_model(folder / "dense.keras"))
    lines = []
    for budget in BUDGETS:
        keras.utils.set_random_seed(seed)
        model = keras.models.load_model(folder / "dense.keras", compile=False)
        compile_for(model, EPOCHS)
        target = whole // budget
        result = taut.compact(
            model, x, y, target_macs=target, batch_size=BATCH, measure=False, **options
        )
        line = {
            "budget": budget,
            "times_fewer": whole / result.report.after.multiply_adds,
            "accuracy": accuracy(result.model, x_test, y_test),
            "filters": [result.model.get_layer(f"conv{k}").filters for k in range(len(FILTERS))],
        }
        print("taut", options, line, file=sys.stderr, flush=True)
        lines.append(line)
    return {"macs": whole, "lines": lines}


def torch_network(arrays):
    import torch
    from torch import nn

    parts, before = [], 1
    for place, filters in enumerate(FILTERS):
        parts += [
            nn.Conv2d(before, filters, 3, padding=1, bias=False),
            nn.BatchNorm2d(filters, eps=1e-5, momentum=0.1),
            nn.ReLU(),
        ]
        parts += [nn.MaxPool2d(2)] if place in POOLED else []
        before = filters
    parts += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10)]
    model, arrays = nn.Sequential(*parts), [torch.tensor(a) for a in arrays]
    with torch.no_grad():
        for module in model:
            if isinstance(module, nn.Conv2d):
                module.weight.copy_(arrays.pop(0).permute(3, 2, 0, 1))
            elif isinstance(module, nn.BatchNorm2d):
                for name in ("weight", "bias", "running_mean", "running_var"):
                    getattr(module, name).copy_(arrays.pop(0))
            elif isinstance(module, nn.Linear):
                module.weight.copy_(arrays.pop(0).T)
                module.bias.copy_(arrays.pop(0))
    return model


def torch_macs(model):
    from torch import nn

    side, total = 28, 0
    for module in model:
        if isinstance(module, nn.Conv2d):
            total += side**2 * module.weight.numel()
        elif isinstance(module, nn.MaxPool2d):
            side //= 2
        elif isinstance(module, nn.Linear):
            total += module.weight.numel()
    return total


def torch_fit(model, x, y, epochs, regularize=None, teacher=None):
    import torch

    optimizer = torch.optim.Adam(model.parameters(), RATE, eps=1e-7)
    steps = epochs * -(-len(x) // BATCH)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    loss_of = torch.nn.CrossEntropyLoss()
    model.train()
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for start in range(0, len(x), BATCH):
            part = order[start : start + BATCH]
            optimizer.zero_grad()
            made = model(x[part])
            loss = loss_of(made, y[part])
            if teacher is not None:  # logits; a half, at the temperature 2
                loss = loss / 2 + 2 * loss_of(made / 2, (teacher[part] / 2).softmax(1))
            loss.backward()
            if regularize is not None:
                regularize()
            optimizer.step()
            falling.step()


def torch_logits(model, x):
    import torch

    model.eval()
    with torch.no_grad():
        return torch.cat([model(x[k : k + 500]) for k in range(0, len(x), 500)])


def torch_accuracy(model, x, y):
    return float((torch_logits(model, x).argmax(1) == y).float().mean())


def pruned(model, budget, whole, kind):
    """The network pruned to a budget; the ratio is found by bisection."""
    low, high = 0.0, 0.98
    for _ in range(12):
        ratio, trial = (low + high) / 2, copy.deepcopy(model)
        pruner_of(trial, ratio, kind).step()
        if torch_macs(trial) <= whole / budget:
            best, high = trial, ratio
        else:
            low = ratio
    return best


def pruner_of(model, ratio, kind):
    import torch
    import torch_pruning as tp

    example, out = torch.zeros(1, 1, 28, 28), model[-1]
    settings = {
        "importance": tp.importance.GroupMagnitudeImportance(p=2),
        "pruning_ratio": ratio,
        "ignored_layers": [out],
        "global_pruning": True,
    }
    if kind == "group norm":
        return tp.pruner.GroupNormPruner(model, example, **settings)
    return tp.pruner.MagnitudePruner(model, example, **settings)


def run_torch(seed, folder, kind, distil=False):
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    import numpy as np
    import torch

    torch.manual_seed(seed)
    x, y, x_test, y_test = (torch.tensor(np.array(a)) for a in data())
    x, x_test = x.permute(0, 3, 1, 2).contiguous(), x_test.permute(0, 3, 1, 2).contiguous()
    y, y_test = y.long(), y_test.long()
    dense = keras.models.load_model(folder / "dense.keras", compile=False)
    arrays = [keras.ops.convert_to_numpy(v) for layer in dense.layers for v in layer.weights]
    start = torch_network(arrays)
    whole, lines = torch_macs(start), []
    print(f"the whole network in torch: {torch_accuracy(start, x_test, y_test)}", file=sys.stderr)
    if kind == "group norm":
        pruner = pruner_of(start, 0.5, kind)

        def regularize():
            pruner.regularize(start)

        pruner.update_regularizer()
        torch_fit(start, x, y, HALF, regularize)
    for budget in BUDGETS:
        model = pruned(start, budget, whole, kind)
        teacher = torch_logits(start, x) if distil else None
        torch_fit(model, x, y, HALF if kind == "group norm" else EPOCHS, teacher=teacher)
        fewer = whole / torch_macs(model)
        line = {"budget": budget, "times_fewer": fewer}
        line["accuracy"] = torch_accuracy(model, x_test, y_test)
        line["filters"] = [m.out_channels for m in model if isinstance(m, torch.nn.Conv2d)]
        print(kind, line, file=sys.stderr, flush=True)
        lines.append(line)
    return {"macs": whole, "lines": lines}


PARTS = {
    "dense": train_dense,
    "taut": lambda seed, folder: run_taut(seed, folder, epochs=EPOCHS),
    "taut, labels": lambda seed, folder: run_taut(seed, folder, epochs=EPOCHS, distillation=0.0),
    "taut, untrained": lambda seed, folder: run_taut(seed, folder, epochs=0),
    "group norm": lambda seed, folder: run_torch(seed, folder, "group norm"),
    "magnitude": lambda seed, folder: run_torch(seed, folder, "magnitude"),
    "magnitude, distilled": lambda seed, folder: run_torch(seed, folder, "magnitude", True),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("compaction.json"))
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    if asked.part:
        os.environ.setdefault("KERAS_BACKEND", "jax")
        start = time.process_time()
        made = PARTS[asked.part](asked.seed, asked.folder)
        print(json.dumps({"seconds": time.process_time() - start, "found": made}))
        return
    results = []
    for seed in range(asked.seeds):
        with tempfile.TemporaryDirectory() as folder:
            found = {}
            for part in PARTS:
                command = [sys.executable, __file__, "--part", part, "--folder", folder]
                command += ["--seed", str(seed)]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
                if done.returncode == 0:
                    found[part] = json.loads(done.stdout.splitlines()[-1])
                    print(seed, part, json.dumps(found[part]), flush=True)
            results.append(found)
            asked.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
