"""Weights whose size a normalisation undoes: a penalty on them shrinks them and nothing else."""

from __future__ import annotations

from typing import Any

from keras import layers

from taut._keras.given_model import check_keras_model
from taut._keras.layer_parts import own_weights
from taut.structure.graph import Graph, Tensor
from taut.structure.kinds import homogeneous, homogeneous_activation, undoes_scale

_LINEAR = (
    layers.Dense,
    layers.EinsumDense,
    *(layers.Conv1D, layers.Conv2D, layers.Conv3D),
    *(layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose),
    *(layers.DepthwiseConv1D, layers.DepthwiseConv2D),
    *(layers.SeparableConv1D, layers.SeparableConv2D),
)


def rescaled_by(model: Any) -> dict[int, str]:
    """The kernels whose size has no effect on the prediction, and what undoes it.

    A kernel is listed where all that its layer makes goes, through positively homogeneous steps
    only (ReLU, dropout, pooling, reshaping), into a normalisation that computes its statistics
    from these very values: multiplying the kernel and the bias by c > 0 multiplies what is
    normalised by c, and the result is the same (but for the normalisation's epsilon). L1 or L2 on
    such a kernel is evaded by rescaling; penalise the scale gamma, or groups that include it.

    Args:
        model: A built Keras model.

    Returns:
        The name of the (first) normalisation layer by the `id` of the kernel. Inside a custom
        layer or a subclassed model only what happens in a nested Functional or Sequential model
        is known.

    Raises:
        InputError: If the model is not built.

    Example:
        >>> import keras
        >>> dense = keras.layers.Dense(2)
        >>> norm = keras.layers.LayerNormalization(name="norm")
        >>> model = keras.Sequential([keras.Input((3,)), dense, norm])
        >>> rescaled_by(model)[id(dense.kernel)]
        'norm'
    """
    check_keras_model(built=True, model=model)
    graph = Graph(model)
    normalisations = {}
    for layer in graph.layers:
        if not isinstance(layer, _LINEAR) or not homogeneous_activation(layer.activation):
            continue
        names = [_undone_by(graph, call.makes[0]) for call in graph.calls_of(layer)]
        if names and None not in names:
            kernels = (v for v in own_weights(layer) if v.name.endswith("kernel"))
            normalisations.update({id(kernel): names[0] for kernel in kernels})
    return normalisations


def _undone_by(graph: Graph, tensor: Tensor) -> str | None:
    """The normalisation that all uses of a tensor go into, or None."""
    readers = graph.readers(tensor)
    if tensor in graph.outputs or not readers:
        return None
    names = []
    for call in readers:
        op = call.operation
        if undoes_scale(op):
            names.append(op.name)
        elif homogeneous(op) and call.makes:
            names.extend(_undone_by(graph, made) for made in call.makes)
        else:
            return None
    return None if None in names else names[0]
