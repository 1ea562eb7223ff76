"""Proximal optimizers, and the certificate that they reached a stationary point."""

from taut.optimizers.proximal import Proximal

__all__ = ["Proximal"]
