"""Data frames in, the default network out: settings, training, choice, ensemble, scores."""
