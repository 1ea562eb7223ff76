"""Fits of the same shapes share their compiled programs, or these tests would only compile."""

import contextlib

import pytest


@pytest.fixture(scope="package", autouse=True)
def compiled_once(tmp_path_factory):
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    values = {
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("compiled")),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": 0,
    }
    with contextlib.ExitStack() as stack:
        for name, value in values.items():
            stack.callback(jax.config.update, name, getattr(jax.config, name))
            jax.config.update(name, value)
        compilation_cache.reset_cache()
        stack.callback(compilation_cache.reset_cache)
        yield
