#!/usr/bin/env python3
"""Random blocks of the two- to four-bit formats and what llama.cpp's own Python reference makes of them.

Needs numpy and gguf (pip install gguf). Writes tests/unit/engine/quant_fixtures.h:
    python3 tests/tools/quant_fixtures.py >tests/unit/engine/quant_fixtures.h
"""
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf.quants import dequantize

# format, blocks, bytes of a block, offsets of its f16 scales
FORMATS = [("Q2_K", 1, 84, (80, 82)), ("Q3_K", 1, 110, (108,)), ("IQ4_NL", 2, 18, (0,)), ("IQ4_XS", 1, 136, (0,))]


def array(kind, name, values, per_line):
    print(f"static const {kind} {name}[] = {{")
    for i in range(0, len(values), per_line):
        print("  " + " ".join(f"{v}," for v in values[i : i + per_line]))
    print("};")


rng = np.random.default_rng(1)
print("/* quant_fixtures.h - made by tests/tools/quant_fixtures.py: blocks, and the bits of their weights as f32. */")
for name, n, size, scales in FORMATS:
    blocks = rng.integers(0, 256, (n, size), dtype=np.uint8)
    for at in scales:
        half = rng.uniform(-0.1, 0.1, n).astype(np.float16)
        blocks[:, at : at + 2] = half[:, None].view(np.uint8)
    weights = dequantize(blocks, Type[name]).astype(np.float32).reshape(-1)
    array("uint8_t", f"{name.lower()}_blocks", blocks.reshape(-1).tolist(), 24)
    array("uint32_t", f"{name.lower()}_weights", [f"0x{v:08x}" for v in weights.view(np.uint32)], 9)
