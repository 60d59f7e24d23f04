#!/usr/bin/env python3
"""Writes a small GGUF model with random weights of any architecture that the engine knows.

  tiny_arch.py OUT VARIANT [--types f32|mixed] [--set KEY=NUMBER|KEY=WORD]... [--drop TENSOR] [--reshape TENSOR]

VARIANT is an architecture, or one with something else about it (VARIANTS below).
--set changes a key (without the architecture's name in front), --drop leaves a tensor
out and --reshape makes its first dimension longer: files that must be refused.
Only random() of the standard library is used, whose numbers are the same everywhere:
tests/reference holds logits that another program computed from the same files."""
import argparse
import math
import random
import struct
import sys

import tiny_gguf as t

DIM, HEADS, KV_HEADS, FF, LAYERS = 64, 4, 2, 96, 2
EXPERTS, USED, FF_EXP, FF_SHARED = 8, 3, 32, 64
STATE, N_K, N_V, CONV = 16, 2, 4, 4
MIXED = [t.Q8_0, t.Q4_0, t.Q5_1, t.F16, t.Q5_0, t.BF16, t.Q4_1, t.F32]
NORM, BIAS, DT, A, CONV1D, MATRIX = range(6)

DELTA = {"layers": 4, "delta": True, "rot": 16}
VARIANTS = {
    "qwen2": {},
    "qwen2-linear": {"keys": {"rope.scaling.type": "linear", "rope.scaling.factor": 4.0}},
    "qwen2-yarn": {"keys": {"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0, "rope.freq_base": 10000.0,
                            "rope.scaling.original_context_length": 128}},
    "qwen3": {},
    "qwen3moe": {"moe": True},
    "qwen3next": {**DELTA, "moe": True, "shared": True},
    "qwen3next-old": {**DELTA, "moe": True, "shared": True, "ssm_in": True},
    "qwen35": {**DELTA, "sections": [3, 3, 2, 0]},
    "qwen35moe": {**DELTA, "moe": True, "shared": True, "sections": [3, 3, 2, 0], "gate_up": True, "mtp": True},
}


def head_dim(arch):
    return DIM // HEADS if arch == "qwen2" else 32


def layer(arch, v, i, delta):
    """(name, shape, kind of numbers) of layer i."""
    dim = head_dim(arch)
    n_value, n_channels = N_V * STATE, (2 * N_K + N_V) * STATE
    out = [("attn_norm.weight", (DIM,), NORM),
           ("post_attention_norm.weight" if v.get("delta") else "ffn_norm.weight", (DIM,), NORM)]
    if delta:
        if v.get("ssm_in"):
            out.append(("ssm_in.weight", (DIM, n_channels + n_value), MATRIX))
        else:
            out += [("attn_qkv.weight", (DIM, n_channels), MATRIX), ("attn_gate.weight", (DIM, n_value), MATRIX)]
        if arch == "qwen3next":
            out.append(("ssm_ba.weight", (DIM, 2 * N_V), MATRIX))
        else:
            out += [("ssm_beta.weight", (DIM, N_V), MATRIX), ("ssm_alpha.weight", (DIM, N_V), MATRIX)]
        out += [("ssm_conv1d.weight", (CONV, n_channels), CONV1D), ("ssm_dt.bias", (N_V,), DT), ("ssm_a", (N_V,), A),
                ("ssm_norm.weight", (STATE,), NORM), ("ssm_out.weight", (n_value, DIM), MATRIX)]
    else:
        q = HEADS * dim
        out += [("attn_q.weight", (DIM, q * (2 if v.get("delta") else 1)), MATRIX),
                ("attn_k.weight", (DIM, KV_HEADS * dim), MATRIX),
                ("attn_v.weight", (DIM, KV_HEADS * dim), MATRIX), ("attn_output.weight", (q, DIM), MATRIX)]
        if arch == "qwen2":
            out += [("attn_%s.bias" % n, (w * dim,), BIAS) for n, w in (("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS))]
        else:
            out += [("attn_q_norm.weight", (dim,), NORM), ("attn_k_norm.weight", (dim,), NORM)]
    if v.get("moe"):
        out.append(("ffn_gate_inp.weight", (DIM, EXPERTS), MATRIX))
        if v.get("gate_up"):
            out.append(("ffn_gate_up_exps.weight", (DIM, 2 * FF_EXP, EXPERTS), MATRIX))
        else:
            out += [("ffn_gate_exps.weight", (DIM, FF_EXP, EXPERTS), MATRIX),
                    ("ffn_up_exps.weight", (DIM, FF_EXP, EXPERTS), MATRIX)]
        out.append(("ffn_down_exps.weight", (FF_EXP, DIM, EXPERTS), MATRIX))
        if v.get("shared"):
            out += [("ffn_gate_inp_shexp.weight", (DIM,), BIAS), ("ffn_gate_shexp.weight", (DIM, FF_SHARED), MATRIX),
                    ("ffn_up_shexp.weight", (DIM, FF_SHARED), MATRIX), ("ffn_down_shexp.weight", (FF_SHARED, DIM), MATRIX)]
    else:
        out += [("ffn_gate.weight", (DIM, FF), MATRIX), ("ffn_up.weight", (DIM, FF), MATRIX),
                ("ffn_down.weight", (FF, DIM), MATRIX)]
    return [("blk.%d.%s" % (i, name), shape, kind) for name, shape, kind in out]


def tensors(arch, v, n_vocab):
    out = [("token_embd.weight", (DIM, n_vocab), MATRIX), ("output_norm.weight", (DIM,), NORM),
           ("output.weight", (DIM, n_vocab), MATRIX)]
    n = v.get("layers", LAYERS)
    for i in range(n):
        out += layer(arch, v, i, v.get("delta") and i % 4 != 3)
    if v.get("mtp"):
        out += layer(arch, v, n, False)
        out += [("blk.%d.nextn.eh_proj.weight" % n, (2 * DIM, DIM), MATRIX),
                ("blk.%d.nextn.enorm.weight" % n, (DIM,), NORM), ("blk.%d.nextn.hnorm.weight" % n, (DIM,), NORM)]
    return out


def numbers(rng, kind, shape, n):
    r = rng.random
    if kind == NORM:
        return [.5 + r() for _ in range(n)]
    if kind == A:
        return [-.05 - r() for _ in range(n)]
    scale = {BIAS: .5, DT: 1.0, CONV1D: .5}.get(kind) or 2 / math.sqrt(shape[0])
    return [(r() + r() - 1) * scale for _ in range(n)]


def keys(arch, v, n_vocab):
    out = {"block_count": v.get("layers", LAYERS) + bool(v.get("mtp")), "context_length": 512, "embedding_length": DIM,
           "feed_forward_length": FF, "attention.head_count": HEADS, "attention.head_count_kv": KV_HEADS,
           "attention.key_length": head_dim(arch), "attention.value_length": head_dim(arch), "rope.freq_base": 1e6,
           "attention.layer_norm_rms_epsilon": 1e-6}
    if v.get("moe"):
        out.update({"expert_count": EXPERTS, "expert_used_count": USED, "expert_feed_forward_length": FF_EXP})
    if v.get("shared"):
        out["expert_shared_feed_forward_length"] = FF_SHARED
    if v.get("delta"):
        out.update({"ssm.conv_kernel": CONV, "ssm.state_size": STATE, "ssm.group_count": N_K, "ssm.time_step_rank": N_V,
                    "ssm.inner_size": N_V * STATE, "full_attention_interval": 4, "rope.dimension_count": v["rot"]})
    if v.get("mtp"):
        out["nextn_predict_layers"] = 1
    if v.get("sections"):
        out["rope.dimension_sections"] = v["sections"]
    out.update(v.get("keys", {}))
    return out


def encode(arch, key, value):
    if isinstance(value, list):
        return t.kv("%s.%s" % (arch, key), t.ARRAY, (t.I32, value))
    kind = t.STRING if isinstance(value, str) else t.FLOAT if isinstance(value, float) else t.U32
    return t.kv("%s.%s" % (arch, key), kind, value)


def parse(text):
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            pass
    return text


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("variant", choices=VARIANTS)
    p.add_argument("--types", default="f32", choices=("f32", "mixed"))
    p.add_argument("--set", action="append", default=[])
    p.add_argument("--drop")
    p.add_argument("--reshape")
    a = p.parse_args()
    v, arch, rng = VARIANTS[a.variant], a.variant.split("-")[0], random.Random(1)
    vocabulary, n_vocab = t.tiny_vocabulary()
    values = keys(arch, v, n_vocab)
    for s in a.set:
        key, _, value = s.partition("=")
        values[key] = parse(value)
    infos, data, n_tensors, n_matrices = b"", b"", 0, 0
    for name, shape, kind in tensors(arch, v, n_vocab):
        n = math.prod(shape)
        if name == a.drop:
            continue
        if name == a.reshape:
            shape, n = (shape[0] + 32, *shape[1:]), n // shape[0] * (shape[0] + 32)
        elem = t.F32
        if kind == MATRIX and a.types == "mixed":
            elem, n_matrices = MIXED[n_matrices % len(MIXED)], n_matrices + 1
        infos += t.string(name) + struct.pack("<I%dQIQ" % len(shape), len(shape), *shape, elem, len(data))
        if elem == t.F32:
            data += struct.pack("<%df" % n, *numbers(rng, kind, shape, n))
        else:
            data += t.weights(rng, elem, n)
        data += b"\0" * (-len(data) % 32)
        n_tensors += 1
    head = [t.kv("general.architecture", t.STRING, arch), t.kv("general.name", t.STRING, "random " + a.variant)]
    head += [encode(arch, k, value) for k, value in values.items()] + vocabulary
    out = b"GGUF" + struct.pack("<IQQ", 3, n_tensors, len(head)) + b"".join(head) + infos
    with open(a.out, "wb") as f:
        f.write(out + b"\0" * (-len(out) % 32) + data)


if __name__ == "__main__":
    sys.exit(main())
