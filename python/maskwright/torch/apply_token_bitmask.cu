// Masks on logits: every logit whose bit is not set gets the bits of minus infinity.
//
// A thread looks at 16 bytes of logits, which are 8, 4 or 2 of them, and at as many bits. Where all are allowed it does nothing, where all are
// refused it stores 16 bytes, else it stores those that are refused; logits are never read. The 4, 8 or 16 neighbours that share a word of the
// mask are in one warp and load it in one go. Rows may start anywhere: vectors lie where 16 bytes are aligned, and the first and the last of a
// row may reach past it, where all counts as allowed.
//
// Logits are bits here, so that no header is needed; whether they are float16 or bfloat16 only the pattern tells.

struct Arguments {
    void* logits;
    const unsigned* bitmask;
    const int* indices;  // The rows to look at; none: the first `rows`.
    long long logits_stride;  // From one row to the next, in logits.
    long long bitmask_stride;  // In words.
    unsigned long long refused;  // The pattern.
    int rows;  // How many to look at.
    int limit;  // How many there are: indices past that, or below zero, are skipped.
    int columns;
};

// The `count` bits from column `first` on, which may be as much as count - 1 before the row; set where there is no column.
static __device__ __forceinline__ unsigned bits_from(const unsigned* words, int first, int count, int columns) {
    const unsigned all = (1u << count) - 1;
    unsigned bits;
    if (first < 0) {
        bits = words[0] << -first | ((1u << -first) - 1);
    } else {
        const int word = first / 32, shift = first % 32;
        bits = words[word] >> shift;
        // Only where the row is not aligned to as many logits as a thread has.
        if (shift + count > 32 && word < (columns - 1) / 32) bits |= words[word + 1] << (32 - shift);
    }
    if (columns - first < count) bits |= all << (columns - first);
    return bits & all;
}

template <typename Logit>
static __device__ __forceinline__ void apply(const Arguments& arguments) {
    constexpr int COUNT = 16 / sizeof(Logit);
    constexpr unsigned ALL = (1u << COUNT) - 1;
    const Logit refused = static_cast<Logit>(arguments.refused);
    union {
        Logit logits[COUNT];
        uint4 vector;
    } full;
    for (int i = 0; i < COUNT; ++i) full.logits[i] = refused;

    for (int place = blockIdx.y; place < arguments.rows; place += gridDim.y) {
        const int row = arguments.indices ? arguments.indices[place] : place;
        if (row < 0 || row >= arguments.limit) continue;
        Logit* const logits = static_cast<Logit*>(arguments.logits) + row * arguments.logits_stride;
        const unsigned* const words = arguments.bitmask + row * arguments.bitmask_stride;
        const int skew = static_cast<int>(reinterpret_cast<unsigned long long>(logits) / sizeof(Logit) % COUNT);
        const int vectors = (arguments.columns - 1 + skew) / COUNT + 1;
        const int step = gridDim.x * blockDim.x;
        // One vector a turn: a load of the mask waits 700 cycles, in which the 64 warps of a processor have started 32 KiB of stores,
        // several times what the memory takes.
#pragma unroll 1
        for (int vector = blockIdx.x * blockDim.x + threadIdx.x; vector < vectors; vector += step) {
            const int column = vector * COUNT - skew;
            const unsigned bits = bits_from(words, column, COUNT, arguments.columns);
            if (bits == ALL) continue;
            if (bits == 0) {
                *reinterpret_cast<uint4*>(logits + column) = full.vector;
                continue;
            }
#pragma unroll
            for (int i = 0; i < COUNT; ++i) {
                if (!(bits >> i & 1)) logits[column + i] = refused;
            }
        }
    }
}

// Compiled for the size of logits that is asked for, since each takes as long as all the rest; without one, for all.
#if !defined(LOGIT_BITS) || LOGIT_BITS == 16
extern "C" __global__ void __launch_bounds__(256) apply_16(const Arguments arguments) { apply<unsigned short>(arguments); }
#endif
#if !defined(LOGIT_BITS) || LOGIT_BITS == 32
extern "C" __global__ void __launch_bounds__(256) apply_32(const Arguments arguments) { apply<unsigned>(arguments); }
#endif
#if !defined(LOGIT_BITS) || LOGIT_BITS == 64
extern "C" __global__ void __launch_bounds__(256) apply_64(const Arguments arguments) { apply<unsigned long long>(arguments); }
#endif
