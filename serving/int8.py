"""Layers whose weights are int8: made by rounding, computed in int8 where the processor can.

A weight w of output row r is stored as q[r] x scale[r], q in -127..127 (symmetric, a scale a row), as compressed-tensors writes
``int-quantized``; so the same files can be read by vLLM. Inputs are rounded to int8 while computing, a scale a token
(Dettmers et al. 2022, LLM.int8(), without its outlier part, which this model does not need: docs/experiments.md).
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

_MOST = 127
# Smaller than any weight or input that says something; keeps a row of zeros from dividing by zero.
_LEAST = 1e-8


def rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
    """(int8 weights, scales of shape [rows, 1] in float32) of a layer's weights of shape [rows, columns]."""
    exact = weight.detach().float()
    scale = exact.abs().amax(dim=1, keepdim=True).clamp(min=_LEAST) / _MOST
    return torch.round(exact / scale).clamp(-_MOST, _MOST).to(torch.int8), scale


class Int8Linear(nn.Module):
    """A linear layer over int8 weights.

    Where PyTorch has no int8 kernels (an engine of ``torch.backends.quantized``) the weights are multiplied out into ``dtype`` once:
    the same answers within rounding, without the gain.
    """

    def __init__(self, weight: Tensor, scale: Tensor, bias: Tensor | None, dtype: torch.dtype) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self._packed: object = None
        self._plain: Tensor | None = None
        # A parameter, so that a state of the model that has it, or lacks it, is loaded or refused like any other.
        self.bias = None if bias is None else nn.Parameter(bias.detach().to(dtype), requires_grad=False)
        if has_kernels():
            rows = scale.reshape(-1).double()
            zeros = torch.zeros_like(rows, dtype=torch.int64)
            with warnings.catch_warnings():
                # Such tensors leave PyTorch one day; the version is pinned, and without them the weights are multiplied out.
                warnings.filterwarnings("ignore", message="torch.quantize_per_tensor")
                held = torch._make_per_channel_quantized_tensor(weight.contiguous(), rows, zeros, 0)
            self._packed = torch.ops.quantized.linear_prepack(held, None)
        else:
            self._plain = (weight.float() * scale.float().reshape(-1, 1)).to(dtype)

    def forward(self, inputs: Tensor) -> Tensor:
        """The layer's output, in the inputs' type."""
        if self._packed is None:
            assert self._plain is not None  # noqa: S101 - one of the two is set
            return nn.functional.linear(inputs, self._plain, self.bias)
        exact = inputs.float()
        # The kernel rounds by one scale for all it is given. With every token's largest number at 1 that is nearly
        # a scale a token, so none is drowned by a louder neighbour, in the prompt or in the batch.
        largest = exact.abs().amax(dim=-1, keepdim=True).clamp(min=_LEAST)
        # Without VNNI, sums of two products can leave 16 bits; then inputs have 7 bits.
        found: Tensor = torch.ops.quantized.linear_dynamic(exact / largest, self._packed, not _wide_sums())
        scaled = (found * largest).to(inputs.dtype)
        return scaled if self.bias is None else scaled + self.bias


def has_kernels() -> bool:
    """Whether this processor's PyTorch multiplies int8 by int8."""
    there = hasattr(torch, "_make_per_channel_quantized_tensor") and hasattr(torch.ops.quantized, "linear_dynamic")
    return there and torch.backends.quantized.engine in ("x86", "fbgemm", "onednn")


def _wide_sums() -> bool:
    return bool(torch.cpu._is_vnni_supported())


def packed_linears(model: nn.Module, weights: dict[str, tuple[Tensor, Tensor]], dtype: torch.dtype) -> None:
    """Put int8 layers in the place of a model's linear ones; biases are still those of the model.

    weights: (int8 weights, scales) by the layer's name.
    """
    for name, (weight, scale) in weights.items():
        parent, _, last = name.rpartition(".")
        holder = model.get_submodule(parent)
        plain = holder.get_submodule(last)
        bias = getattr(plain, "bias", None)
        setattr(holder, last, Int8Linear(weight, scale, bias, dtype))
