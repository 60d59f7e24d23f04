"""Prints a C header with the character classes of the tokenizer's patterns:
letter (\\p{L}), number (\\p{N}), white space (\\s, the property White_Space).

Two stages: block_of[cp >> 8] names a row of class_rows, which holds one class
a code point; equal rows are stored once.
"""
import sys
import unicodedata

OTHER, LETTER, NUMBER, SPACE = range(4)
# White_Space of PropList.txt; the property is closed in practice. str.isspace() adds U+001C..1F.
WHITE_SPACE = {*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}


def char_class(cp: int) -> int:
    if cp in WHITE_SPACE:
        return SPACE
    return {"L": LETTER, "N": NUMBER}.get(unicodedata.category(chr(cp))[0], OTHER)


def main() -> None:
    rows: dict[bytes, int] = {}
    block_of = []
    for block in range(0x110000 >> 8):
        row = bytes(char_class(block << 8 | low) for low in range(256))
        block_of.append(rows.setdefault(row, len(rows)))
    out = sys.stdout
    out.write(f"/* Unicode {unicodedata.unidata_version}, made by src/engine/unicode.py */\n#include <stdint.h>\n")
    out.write(f"static const uint16_t block_of[{len(block_of)}] = {{{','.join(map(str, block_of))}}};\n")
    out.write(f"static const uint8_t class_rows[{len(rows)}][256] = {{\n")
    for row in rows:
        out.write("{" + ",".join(map(str, row)) + "},\n")
    out.write("};\n")


main()
