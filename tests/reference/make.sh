#!/bin/sh
# Makes tests/reference/VARIANT.txt: what llama.cpp computes from the small models of
# tests/tools/tiny_arch.py. Needs its source and a build of it:
#   tests/reference/make.sh LLAMA_SOURCE LLAMA_LIB_DIR
# The files here were made with llama.cpp as vendored in llama-cpp-python 0.3.36.
set -e
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
c++ -std=c++17 -I"$1/include" -I"$1/ggml/include" "$here/logits.cpp" -o "$work/logits" \
  -L"$2" -Wl,-rpath,"$2" -lllama -lggml -lggml-base
for variant in qwen2 qwen2-linear qwen2-yarn qwen3 qwen3moe qwen3next qwen3next-old qwen35 qwen35moe; do
  python3 "$here/../tools/tiny_arch.py" "$work/model.gguf" "$variant"
  "$work/logits" "$work/model.gguf" > "$here/$variant.txt"
  echo "$variant"
done
