// The CUDA kernel as host C++: blocks and threads are loops. KERNEL names its source.
#pragma once

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(threads)

struct Index {
    unsigned x, y, z;
};
static Index blockIdx, blockDim, gridDim, threadIdx;

struct alignas(16) uint4 {
    unsigned x, y, z, w;
};

#include KERNEL

inline void run(void (*kernel)(const Arguments), const Arguments& arguments, Index grid, Index block) {
    gridDim = grid;
    blockDim = block;
    // From the last to the first: no order is promised.
    for (unsigned y = grid.y; y-- > 0;) {
        for (unsigned x = grid.x; x-- > 0;) {
            for (unsigned thread = block.x; thread-- > 0;) {
                blockIdx = {x, y, 0};
                threadIdx = {thread, 0, 0};
                kernel(arguments);
            }
        }
    }
}
