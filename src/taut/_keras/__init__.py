"""The only home of Keras's internals: all here may need a look when Keras changes."""
