"""A network too wide for its rows, stopped where the loss of other rows turns."""

import numpy as np

import taut
from taut import layers, models

rng = np.random.default_rng(0)
x = rng.normal(size=(600, 20)).astype("float32")
y = (x[:, 0] - x[:, 1] + rng.normal(size=600) > 0).astype("float32")
train, held_out, test = slice(0, 200), slice(200, 400), slice(400, 600)

model = models.Sequential()
model.add(taut.Input((20,)))
model.add(layers.Dense(256, activation="relu"))
model.add(layers.Dense(1, activation="sigmoid"))
model.compile(
    optimizer="adam",
    loss="binary_crossentropy",
    metrics=["accuracy"],
    weight_regularizer=layers.l1(0.002),
)

# The model hands on the rows of `fit`; with a model of Keras give `validation=` and `train=`.
monitor = taut.callbacks.OverfitMonitor(patience=10)
history = model.fit(
    x[train],
    y[train],
    epochs=100,
    verbose=0,
    validation_data=(x[held_out], y[held_out]),
    callbacks=[monitor],
)
print(
    "gap after the first and the last epoch:", history.history["gap"][0], history.history["gap"][-1]
)
print(
    "loss and accuracy on rows that nothing was chosen on:",
    model.evaluate(x[test], y[test], verbose=0),
)
