// As much of the CUDA driver as maskwright calls, over memory of the host: a launch runs the kernel at once. What it is asked to do
// is printed, a line each. Everything else is not there. See test_cuda.py.
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "kernel.hpp"

extern "C" {
using Handle = void*;
static const char CONTEXT = 1, LIBRARY = 2;
// Python's output goes the same way, and is flushed by itself.
static const int UNBUFFERED = std::setvbuf(stdout, nullptr, _IONBF, 0);
static thread_local const void* current = nullptr;
static const void* below = nullptr;

int cuInit(unsigned) { return 0; }
int cuDriverGetVersion(int* version) { return *version = 13050, 0; }
int cuDeviceGet(int* device, int ordinal) { return *device = ordinal, 0; }
int cuDevicePrimaryCtxRetain(const void** context, int device) { return std::printf("retain %d\n", device), *context = &CONTEXT, 0; }
int cuCtxGetCurrent(const void** context) { return *context = current, 0; }
int cuCtxPushCurrent(const void* context) { return below = current, current = context, 0; }
int cuCtxPopCurrent(const void** context) { return *context = current, current = below, 0; }

int cuLibraryLoadData(const void** library, const void* code, void*, void*, unsigned, void*, void*, unsigned) {
    if (!current) return 201;  // CUDA_ERROR_INVALID_CONTEXT
    if (std::memcmp(code, "\x7f" "ELF", 4) != 0) return 200;  // CUDA_ERROR_INVALID_IMAGE
    return std::printf("load\n"), *library = &LIBRARY, 0;
}

int cuLibraryGetKernel(void (**kernel)(const Arguments), const void*, const char* name) {
    *kernel = !std::strcmp(name, "apply_16") ? apply_16 : !std::strcmp(name, "apply_32") ? apply_32 : !std::strcmp(name, "apply_64") ? apply_64 : nullptr;
    return *kernel ? 0 : 500;  // CUDA_ERROR_NOT_FOUND
}

int cuKernelGetFunction(Handle* function, Handle kernel) { return *function = kernel, current ? 0 : 201; }

int cuLaunchKernel(void (*function)(const Arguments), unsigned x, unsigned y, unsigned z, unsigned threads, unsigned ty, unsigned tz, unsigned shared,
                   Handle stream, void** parameters, void** extra) {
    if (current != &CONTEXT) return 201;
    if (z != 1 || ty != 1 || tz != 1 || shared != 0 || extra || x == 0 || y == 0 || y > 65535 || threads > 128) return 1;
    std::printf("launch %u %u %u on %llx\n", x, y, threads, static_cast<unsigned long long>(reinterpret_cast<uintptr_t>(stream)));
    run(function, *static_cast<const Arguments*>(parameters[0]), {x, y, 1}, {threads, 1, 1});
    return 0;
}

static int find(const char* name, void** found) {
#define ENTRY(name) {#name, reinterpret_cast<void*>(name)}
    static const struct {
        const char* name;
        void* place;
    } TABLE[] = {ENTRY(cuInit), ENTRY(cuDriverGetVersion), ENTRY(cuDeviceGet), ENTRY(cuDevicePrimaryCtxRetain), ENTRY(cuCtxGetCurrent),
                 ENTRY(cuCtxPushCurrent), ENTRY(cuCtxPopCurrent), ENTRY(cuLibraryLoadData), ENTRY(cuLibraryGetKernel), ENTRY(cuKernelGetFunction),
                 ENTRY(cuLaunchKernel)};
    for (const auto& entry : TABLE) {
        if (!std::strcmp(entry.name, name)) return *found = entry.place, 0;
    }
    return *found = nullptr, 500;
}

int cuGetProcAddress(const char* name, void** found, int, uint64_t) { return find(name, found); }
int cuGetProcAddress_v2(const char* name, void** found, int, uint64_t, int* status) {
    const int error = find(name, found);
    if (status) *status = error ? 1 : 0;
    return error;
}
}
