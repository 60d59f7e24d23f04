#!/usr/bin/env python3
"""Writes a small GGUF model with random weights.

  tiny_gguf.py OUT [--arch qwen2|qwen3] [--seed N]
      Two layers, a vocabulary of the 256 bytes, some merges and Qwen's special
      tokens, a ChatML template; its matrices cover every weight type that the
      engine computes with.
  tiny_gguf.py OUT --like REAL.gguf [--seed N]
      One layer with the vocabulary, merges, special tokens, template and context
      length of a real file: the same text in, noise out.

Only the standard library."""
import argparse
import random
import struct
import sys

F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, BF16 = 0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 30
U32, FLOAT, BOOL, STRING, ARRAY, I32 = 4, 6, 7, 8, 9, 5
SCALAR_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
# elements in a block, and what it is made of: e = f16 scale, m = f16 minimum, number = random bytes
BLOCKS = {
    Q4_0: (32, ["e", 16]), Q4_1: (32, ["e", "m", 16]), Q5_0: (32, ["e", 20]), Q5_1: (32, ["e", "m", 20]),
    Q8_0: (32, ["e", 32]), Q4_K: (256, ["e", "m", 140]), Q5_K: (256, ["e", "m", 172]), Q6_K: (256, [208, "e"]),
}
# a scale that makes weights of about 0.1
SCALE = {Q4_0: .02, Q4_1: .015, Q5_0: .01, Q5_1: .007, Q8_0: .001, Q4_K: .0004, Q5_K: .0002, Q6_K: .00005}


def half(x):
    return struct.pack("<e", x)


def block(rng, kind):
    out = b""
    for part in BLOCKS[kind][1]:
        scale = SCALE[kind] * rng.uniform(.5, 1.5)
        if part == "e":
            out += half(scale if kind in (Q4_K, Q5_K) else scale * rng.choice((-1, 1)))
        elif part == "m":
            out += half(scale if kind in (Q4_K, Q5_K) else -7 * scale)
        else:
            out += rng.randbytes(part)
    return out


def weights(rng, kind, n):
    if kind in (F32, F16, BF16):
        pool = [rng.gauss(0, .1) for _ in range(4096)]
        if kind == BF16:
            enc = [struct.pack("<f", x)[2:] for x in pool]
        else:
            enc = [struct.pack("<f" if kind == F32 else "<e", x) for x in pool]
        return b"".join(rng.choices(enc, k=n))
    pool = [block(rng, kind) for _ in range(1024)]
    return b"".join(rng.choices(pool, k=n // BLOCKS[kind][0]))


def string(s):
    s = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<Q", len(s)) + s


def kv(key, kind, value):
    head = string(key) + struct.pack("<I", kind)
    if kind == STRING:
        return head + string(value)
    if kind == ARRAY:
        elem, items = value
        body = b"".join(string(i) if elem == STRING else struct.pack("<i", i) for i in items)
        return head + struct.pack("<IQ", elem, len(items)) + body
    return head + struct.pack({U32: "<I", FLOAT: "<f", BOOL: "<?"}[kind], value)


# ---- vocabulary

def byte_alphabet():
    """GPT-2's: printable bytes stand for themselves, the others move behind 255."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = iter(range(256, 512))
    return [chr(b) if b in keep else chr(next(moved)) for b in range(256)]


SPECIAL = [("<|endoftext|>", 3), ("<|im_start|>", 3), ("<|im_end|>", 3), ("<|fim_prefix|>", 3), ("<tool_call>", 4),
           ("</tool_call>", 4), ("<tool_response>", 4), ("</tool_response>", 4), ("<think>", 4), ("</think>", 4)]
TEMPLATE = ("{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
            "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}")


def tiny_vocabulary():
    alphabet = byte_alphabet()
    space = alphabet[32]
    merges = [("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o"), (space, "t"), (space + "t", "he"), ("i", "n"),
              ("o", "r"), (space, space), ("1", "2")]
    tokens = alphabet + [a + b for a, b in merges]
    types = [1] * len(tokens)
    for text, kind in SPECIAL:
        tokens.append(text)
        types.append(kind)
    while len(tokens) % 16 != 3:  # a last tile that is not full
        tokens.append("<|unused_%d|>" % len(tokens))
        types.append(5)
    special = {t: i for i, t in enumerate(tokens)}
    return [
        kv("tokenizer.ggml.model", STRING, "gpt2"), kv("tokenizer.ggml.pre", STRING, "qwen2"),
        kv("tokenizer.ggml.tokens", ARRAY, (STRING, tokens)), kv("tokenizer.ggml.token_type", ARRAY, (I32, types)),
        kv("tokenizer.ggml.merges", ARRAY, (STRING, [a + " " + b for a, b in merges])),
        kv("tokenizer.ggml.bos_token_id", U32, special["<|endoftext|>"]),
        kv("tokenizer.ggml.eos_token_id", U32, special["<|im_end|>"]),
        kv("tokenizer.ggml.add_bos_token", BOOL, False), kv("tokenizer.chat_template", STRING, TEMPLATE),
    ], len(tokens)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self, fmt):
        return struct.unpack("<" + fmt, self.take(struct.calcsize("<" + fmt)))[0]

    def skip(self, kind):
        if kind == STRING:
            self.take(self.number("Q"))
        elif kind == ARRAY:
            elem, n = self.number("I"), self.number("Q")
            if elem in SCALAR_BYTES:
                self.take(SCALAR_BYTES[elem] * n)
            else:
                for _ in range(n):
                    self.skip(elem)
        else:
            self.take(SCALAR_BYTES[kind])


def vocabulary_of(path):
    """The tokenizer's keys of a real file as they are, its number of tokens and its context length."""
    with open(path, "rb") as f:
        r = Reader(f.read(64 << 20))
    if r.take(4) != b"GGUF" or r.number("I") != 3:
        sys.exit("%s is not a GGUF version 3 file" % path)
    r.number("Q")
    keys, n_vocab, n_ctx = [], 0, 32768
    for _ in range(r.number("Q")):
        start = r.at
        key = r.take(r.number("Q"))
        kind = r.number("I")
        value = r.at
        r.skip(kind)
        if key == b"tokenizer.ggml.tokens":
            n_vocab = struct.unpack_from("<Q", r.data, value + 4)[0]
        if key.endswith(b".context_length"):
            n_ctx = struct.unpack_from("<I", r.data, value)[0]
        if key.startswith(b"tokenizer."):
            keys.append(r.data[start:r.at])
    return keys, n_vocab, n_ctx


# ---- model

def tensors(arch, n_vocab, dim, types, n_layer, n_head, n_kv, head_dim, n_ff, tied):
    """(name, shape, type), inputs first."""
    kinds = iter(types * 100)
    out = [("token_embd.weight", (dim, n_vocab), Q8_0), ("output_norm.weight", (dim,), F32)]
    if not tied:
        out.append(("output.weight", (dim, n_vocab), Q6_K))
    for i in range(n_layer):
        b = "blk.%d." % i
        out += [(b + "attn_norm.weight", (dim,), F32), (b + "ffn_norm.weight", (dim,), F32)]
        for name, rows in (("q", n_head), ("k", n_kv), ("v", n_kv)):
            out.append((b + "attn_%s.weight" % name, (dim, rows * head_dim), next(kinds)))
            if arch == "qwen2":
                out.append((b + "attn_%s.bias" % name, (rows * head_dim,), F32))
        if arch == "qwen3":
            out += [(b + "attn_q_norm.weight", (head_dim,), F32), (b + "attn_k_norm.weight", (head_dim,), F32)]
        out += [(b + "attn_output.weight", (n_head * head_dim, dim), next(kinds)),
                (b + "ffn_gate.weight", (dim, n_ff), next(kinds)), (b + "ffn_up.weight", (dim, n_ff), next(kinds)),
                (b + "ffn_down.weight", (n_ff, dim), next(kinds))]
    return out


def write(path, keys, shapes, rng):
    alignment = 32
    infos, blobs, at = b"", [], 0
    for name, shape, kind in shapes:
        n = 1
        for d in shape:
            n *= d
        if name.endswith("norm.weight"):
            data = b"".join(struct.pack("<f", rng.uniform(.5, 1.5)) for _ in range(n))
        else:
            data = weights(rng, kind, n)
        infos += string(name) + struct.pack("<I%dQIQ" % len(shape), len(shape), *shape, kind, at)
        data += b"\0" * (-len(data) % alignment)
        blobs.append(data)
        at += len(data)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(keys)) + b"".join(keys) + infos
    with open(path, "wb") as f:
        f.write(head + b"\0" * (-len(head) % alignment))
        for data in blobs:
            f.write(data)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("--arch", default="qwen2", choices=("qwen2", "qwen3"))
    p.add_argument("--like", metavar="REAL.gguf")
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    rng = random.Random(a.seed)
    if a.like:
        vocabulary, n_vocab, n_ctx = vocabulary_of(a.like)
        dim, n_layer, n_head, n_kv, head_dim, n_ff, types, tied = 64, 1, 2, 1, 32, 128, [Q8_0], True
    else:
        vocabulary, n_vocab = tiny_vocabulary()
        n_ctx, dim, n_layer, n_head, n_kv, n_ff, tied = 512, 256, 2, 4, 2, 512, a.arch == "qwen3"
        head_dim = 48 if a.arch == "qwen3" else 64
        types = [F32, F16, Q4_1, Q5_0, Q4_K, Q6_K, Q5_K, BF16, Q8_0, Q5_1, Q4_0]
        if a.arch == "qwen3":  # heads of 48: the output matrix has 192 inputs, no whole 256-wide block
            types = [Q8_0, Q4_0, Q5_1, Q5_0, Q4_K, Q6_K, Q5_K]
    arch = a.arch
    keys = [kv("general.architecture", STRING, arch), kv("general.name", STRING, "random %s" % arch)]
    keys += [kv("%s.%s" % (arch, k), U32, v) for k, v in (
        ("block_count", n_layer), ("context_length", n_ctx), ("embedding_length", dim), ("feed_forward_length", n_ff),
        ("attention.head_count", n_head), ("attention.head_count_kv", n_kv), ("attention.key_length", head_dim))]
    keys += [kv(arch + ".rope.freq_base", FLOAT, 1e6), kv(arch + ".attention.layer_norm_rms_epsilon", FLOAT, 1e-6)]
    write(a.out, keys + vocabulary, tensors(arch, n_vocab, dim, types, n_layer, n_head, n_kv, head_dim, n_ff, tied), rng)


if __name__ == "__main__":
    main()
