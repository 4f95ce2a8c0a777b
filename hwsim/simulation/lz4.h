// The two functions of LZ4 that Verilator's FST writer calls, for machines without the library.
//
// They write valid LZ4 blocks that hold everything as literals: as large as the data, which the writer then stores
// uncompressed wherever the format lets it choose. Only the list of signal names must be LZ4.

#pragma once

#include <cstring>

inline int LZ4_compressBound(int size) { return size + size / 255 + 16; }

inline int LZ4_compress_default(const char* source, char* target, int size, int capacity) {
    if (capacity < LZ4_compressBound(size)) return 0;
    char* out = target;
    // A token: the number of literals in its high half, 15 for that and more to come.
    *out++ = static_cast<char>((size < 15 ? size : 15) << 4);
    if (size >= 15) {
        int more = size - 15;
        for (; more >= 255; more -= 255) *out++ = static_cast<char>(255);
        *out++ = static_cast<char>(more);
    }
    std::memcpy(out, source, size);
    return static_cast<int>(out - target) + size;
}
