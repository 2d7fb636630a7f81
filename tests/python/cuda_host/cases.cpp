// Reads cases from the standard input, runs the kernel on memory that ends where theirs does, and writes the logits. See test_cuda.py.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "kernel.hpp"

struct Case {
    int64_t item, storage, offset, logits_stride, words, bitmask_stride, indices, rows, limit, columns, refused, blocks_x, blocks_y, threads;
};

// Of exactly that size, so that the sanitizer sees one byte more.
static void* read(size_t bytes) {
    void* memory = std::malloc(bytes ? bytes : 1);
    if (std::fread(memory, 1, bytes, stdin) != bytes) std::exit(3);
    return memory;
}

int main() {
    Case one;
    while (std::fread(&one, sizeof one, 1, stdin) == 1) {
        const size_t bytes = one.item * one.storage;
        char* storage = static_cast<char*>(read(bytes));
        void* words = read(4 * one.words);
        void* indices = read(one.indices < 0 ? 0 : 4 * one.indices);
        Arguments arguments{};
        arguments.logits = storage + one.item * one.offset;
        arguments.bitmask = static_cast<unsigned*>(words);
        arguments.indices = one.indices < 0 ? nullptr : static_cast<int*>(indices);
        arguments.logits_stride = one.logits_stride;
        arguments.bitmask_stride = one.bitmask_stride;
        arguments.refused = static_cast<unsigned long long>(one.refused);
        arguments.rows = static_cast<int>(one.rows);
        arguments.limit = static_cast<int>(one.limit);
        arguments.columns = static_cast<int>(one.columns);
        const Index grid{static_cast<unsigned>(one.blocks_x), static_cast<unsigned>(one.blocks_y), 1};
        run(one.item == 2 ? apply_16 : one.item == 4 ? apply_32 : apply_64, arguments, grid, {static_cast<unsigned>(one.threads), 1, 1});
        std::fwrite(storage, 1, bytes, stdout);
        std::free(storage);
        std::free(words);
        std::free(indices);
    }
    return 0;
}
