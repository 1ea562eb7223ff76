"""The L1 tutorial's program; only the import is changed (from keras to taut)."""

import numpy as np

from taut import layers, models

x_train = np.random.random((100, 10))
y_train = np.random.randint(0, 2, (100, 1))
x_test = np.random.random((50, 10))
y_test = np.random.randint(0, 2, (50, 1))

model = models.Sequential()
model.add(layers.Dense(64, input_dim=10, activation="relu"))
model.add(layers.Dense(64, activation="relu"))
model.add(layers.Dense(1, activation="sigmoid"))

model.compile(
    optimizer="adam",
    loss="binary_crossentropy",
    metrics=["accuracy"],
    weight_regularizer=layers.l1(0.01),
)

model.fit(x_train, y_train, epochs=10, batch_size=32)
loss, accuracy = model.evaluate(x_test, y_test)
print("Test accuracy:", accuracy)
