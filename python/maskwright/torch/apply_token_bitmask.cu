// Masks on logits: every logit whose bit is not set gets the bits of minus infinity.
//
// A thread looks at 16 bytes of logits, which are 8, 4 or 2 of them, and at as many bits. Where all are allowed it does nothing, where all are
// refused it stores 16 bytes, else it loads the 16 bytes and stores them again: memory takes single logits at half the speed. The 4, 8 or 16
// neighbours that share a word of the mask are in one warp and load it in one go. Rows may start anywhere: vectors lie where 16 bytes are
// aligned, and the first and the last of a row may reach past it, where all counts as allowed and nothing is touched.
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

// How many vectors a thread looks at: their bits, and then their logits, are loaded together, since each load waits for memory.
#ifndef IN_FLIGHT
#define IN_FLIGHT 4
#endif

// The `COUNT` bits from a column on, which may lie before the row or past it: set where there is no column. Without a branch around its
// loads, so that the compiler can start several.
template <int COUNT, bool ALIGNED>
static __device__ __forceinline__ unsigned bits_from(const unsigned* words, int column, int columns) {
    const int last = (columns - 1) / 32, word = column >> 5, shift = column & 31, rest = columns - column;
    unsigned bits = words[word < 0 ? 0 : word < last ? word : last];
    if (ALIGNED) {
        bits >>= shift;
    } else {
        const unsigned next = words[word < last ? word + 1 : last];
        if (word < 0) bits = ~0u;
        bits = static_cast<unsigned>((static_cast<unsigned long long>(next) << 32 | bits) >> shift);
    }
    if (rest < COUNT) bits |= rest > 0 ? ~0u << rest : ~0u;
    return bits & ((1u << COUNT) - 1);
}

template <typename Logit>
union Vector {
    Logit logits[16 / sizeof(Logit)];
    uint4 whole;
};

template <typename Logit, bool ALIGNED>
static __device__ __forceinline__ void apply_to_row(Logit* logits, const unsigned* words, Logit refused, int columns, int skew) {
    constexpr int COUNT = 16 / sizeof(Logit);
    constexpr unsigned ALL = (1u << COUNT) - 1;
    const int vectors = (columns - 1 + skew) / COUNT + 1, threads = static_cast<int>(blockDim.x);
    // A block looks at vectors that lie side by side.
    const int step = static_cast<int>(gridDim.x) * threads * IN_FLIGHT;
    for (int first = static_cast<int>(blockIdx.x) * threads * IN_FLIGHT + static_cast<int>(threadIdx.x); first < vectors; first += step) {
        unsigned bits[IN_FLIGHT];
        Vector<Logit> vector[IN_FLIGHT];
#pragma unroll
        for (int i = 0; i < IN_FLIGHT; ++i) bits[i] = bits_from<COUNT, ALIGNED>(words, (first + i * threads) * COUNT - skew, columns);
#pragma unroll
        for (int i = 0; i < IN_FLIGHT; ++i) {
            const int column = (first + i * threads) * COUNT - skew;
            const bool inside = column >= 0 && column + COUNT <= columns;
            if (bits[i] != 0 && bits[i] != ALL && inside) vector[i].whole = *reinterpret_cast<const uint4*>(logits + column);
        }
#pragma unroll
        for (int i = 0; i < IN_FLIGHT; ++i) {
            const int column = (first + i * threads) * COUNT - skew;
            if (bits[i] == ALL) continue;
            if (column >= 0 && column + COUNT <= columns) {
#pragma unroll
                for (int k = 0; k < COUNT; ++k) {
                    if (bits[i] == 0 || !(bits[i] >> k & 1)) vector[i].logits[k] = refused;
                }
                *reinterpret_cast<uint4*>(logits + column) = vector[i].whole;
            } else {
                // The others of these 16 bytes are another row's, or nobody's.
#pragma unroll
                for (int k = 0; k < COUNT; ++k) {
                    if (!(bits[i] >> k & 1)) logits[column + k] = refused;
                }
            }
        }
    }
}

template <typename Logit>
static __device__ __forceinline__ void apply(const Arguments& arguments) {
    const Logit refused = static_cast<Logit>(arguments.refused);
    for (int place = blockIdx.y; place < arguments.rows; place += gridDim.y) {
        const int row = arguments.indices ? arguments.indices[place] : place;
        if (row < 0 || row >= arguments.limit) continue;
        Logit* const logits = static_cast<Logit*>(arguments.logits) + row * arguments.logits_stride;
        const unsigned* const words = arguments.bitmask + row * arguments.bitmask_stride;
        const int skew = static_cast<int>(reinterpret_cast<unsigned long long>(logits) % 16 / sizeof(Logit));
        if (skew == 0) {
            apply_to_row<Logit, true>(logits, words, refused, arguments.columns, 0);
        } else {
            apply_to_row<Logit, false>(logits, words, refused, arguments.columns, skew);
        }
    }
}

// Compiled for the size of logits that is asked for, since each takes as long as all the rest; without one, for all.
#if !defined(LOGIT_BITS) || LOGIT_BITS == 16
extern "C" __global__ void __launch_bounds__(128) apply_16(const Arguments arguments) { apply<unsigned short>(arguments); }
#endif
#if !defined(LOGIT_BITS) || LOGIT_BITS == 32
extern "C" __global__ void __launch_bounds__(128) apply_32(const Arguments arguments) { apply<unsigned>(arguments); }
#endif
#if !defined(LOGIT_BITS) || LOGIT_BITS == 64
extern "C" __global__ void __launch_bounds__(128) apply_64(const Arguments arguments) { apply<unsigned long long>(arguments); }
#endif
