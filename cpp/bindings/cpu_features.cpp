// Which of the instruction sets we build for can this processor, under this operating system, run?
// Compiled for the plainest processor of the architecture: it runs before anything is known.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <vector>

#if defined(_MSC_VER) && !defined(__clang__) && defined(_M_X64)
#include <immintrin.h>
#include <intrin.h>
#endif

namespace {

// Fastest last. "baseline" is x86-64-v2; "avx2" is AVX2 + FMA, "avx512" is x86-64-v4, both with the wide registers
// saved by the operating system on a context switch; "generic" is any other architecture.
std::vector<std::string> supported() {
  std::vector<std::string> isas;
#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
  __builtin_cpu_init();
  // The builtin looks at CPUID and, for AVX and above, at XCR0 too.
  if (__builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("sse4.2") &&
      __builtin_cpu_supports("popcnt")) {
    isas.emplace_back("baseline");
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
      isas.emplace_back("avx2");
      if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
          __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
          __builtin_cpu_supports("avx512vl")) {
        isas.emplace_back("avx512");
      }
    }
  }
#elif defined(_MSC_VER) && defined(_M_X64)
  int leaf[4] = {};
  __cpuid(leaf, 0);
  const int last = leaf[0];
  __cpuid(leaf, 1);
  const auto bit = [](int word, int position) { return ((word >> position) & 1) != 0; };
  const int ecx = leaf[2];
  if (bit(ecx, 9) && bit(ecx, 19) && bit(ecx, 20) && bit(ecx, 23)) {  // SSSE3, SSE4.1, SSE4.2, POPCNT
    isas.emplace_back("baseline");
    const bool saved = bit(ecx, 27) && (_xgetbv(0) & 6) == 6;  // OSXSAVE; XMM and YMM state
    if (saved && bit(ecx, 28) && bit(ecx, 12) && last >= 7) {  // AVX, FMA
      __cpuidex(leaf, 7, 0);
      if (bit(leaf[1], 5)) {  // AVX2
        isas.emplace_back("avx2");
        const bool wide = (_xgetbv(0) & 0xe6) == 0xe6;  // mask registers and ZMM state too
        if (wide && bit(leaf[1], 16) && bit(leaf[1], 17) && bit(leaf[1], 28) && bit(leaf[1], 30) && bit(leaf[1], 31)) {
          isas.emplace_back("avx512");  // F, DQ, CD, BW, VL
        }
      }
    }
  }
#else
  isas.emplace_back("generic");
#endif
  return isas;
}

}  // namespace

PYBIND11_MODULE(_cpu_features, m) {
  m.doc() = "Which instruction sets this processor and operating system can run.";
  m.def("supported", &supported, "Names of the instruction sets that run here, fastest last.");
}
