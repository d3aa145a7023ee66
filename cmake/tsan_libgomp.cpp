// Tells ThreadSanitizer how OpenMP regions of GCC synchronise.
//
// libgomp waits on futexes, which ThreadSanitizer does not see, so every parallel region looks like a race between
// its threads and the code around it. The functions here stand in front of libgomp's, call them, and announce the
// order they establish: what comes before a region happens before each thread's part, and each part before what
// follows the region. Linked into the tests of the tsan preset only, and compiled without the sanitizer.

#include <dlfcn.h>

extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}

namespace {

template <class Function>
Function* next(Function*, const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

struct Region {
  void (*body)(void*);
  void* data;
  char fork, join;
};

void run(void* argument) {
  Region& region = *static_cast<Region*>(argument);
  __tsan_acquire(&region.fork);
  region.body(region.data);
  __tsan_release(&region.join);
}

char barrier_order, critical_order;

}  // namespace

extern "C" {

void GOMP_parallel(void (*body)(void*), void* data, unsigned threads, unsigned flags) {
  static auto* const original = next(&GOMP_parallel, "GOMP_parallel");
  Region region{body, data, 0, 0};
  __tsan_release(&region.fork);
  original(&run, &region, threads, flags);
  __tsan_acquire(&region.join);
}

void GOMP_barrier() {
  static auto* const original = next(&GOMP_barrier, "GOMP_barrier");
  __tsan_release(&barrier_order);
  original();
  __tsan_acquire(&barrier_order);
}

void GOMP_critical_start() {
  static auto* const original = next(&GOMP_critical_start, "GOMP_critical_start");
  original();
  __tsan_acquire(&critical_order);
}

void GOMP_critical_end() {
  static auto* const original = next(&GOMP_critical_end, "GOMP_critical_end");
  __tsan_release(&critical_order);
  original();
}
}
