// Large pages for large arrays, where the system gives them to who asks: what is written once and read once costs more
// in page faults than in bandwidth.
#pragma once

#include <cstddef>
#include <cstdint>
#ifdef __linux__
#include <sys/mman.h>
#endif

namespace landscape {

inline void prefer_large_pages(void* data, std::size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr std::uintptr_t page = 4096, large = std::uintptr_t{1} << 21;
  if (bytes < 2 * large) return;
  const std::uintptr_t first = (reinterpret_cast<std::uintptr_t>(data) + page - 1) / page * page;
  const std::uintptr_t last = (reinterpret_cast<std::uintptr_t>(data) + bytes) / page * page;
  (void)madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);  // advice: it may be refused
#else
  (void)data;
  (void)bytes;
#endif
}

}  // namespace landscape
