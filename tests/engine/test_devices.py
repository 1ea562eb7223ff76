"""One record, whatever the devices: 1, 2 or 8, sharing batches or not, in one process or two."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import pytest

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="lanes need JAX")

STUDY = Path(__file__).with_name("study.py")


def start(devices, *arguments):
    return subprocess.Popen(
        [sys.executable, str(STUDY), "-", "6", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "JAX_NUM_CPU_DEVICES": str(devices), "KERAS_BACKEND": "jax"},
    )


def said(process):
    out, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    *_, line = out.strip().splitlines()
    digest, devices, loss = line.split()
    return digest, int(devices), float(loss)


@pytest.fixture(scope="module")
def alone():
    return said(start(1, 1))


@pytest.mark.slow
def test_lanes_are_the_same_over_2_and_8_devices(alone):
    for devices in (2, 8):
        digest, seen, _ = said(start(devices, 1))
        assert seen == devices
        assert digest == alone[0]


@pytest.mark.slow
def test_two_processes_give_the_record_of_one(alone):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    processes = [start(2, 1, port, number) for number in (0, 1)]
    found = [said(process) for process in processes]
    assert found[0] == found[1]
    assert found[0][1] == 4
    assert found[0][0] == alone[0]
