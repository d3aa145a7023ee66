# What every target of the project is compiled with, and the instruction sets.
#
# Floating point keeps its IEEE meaning: no -ffast-math, no -march=native. -ffp-contract keeps the
# compiler's default.

include(CheckCXXSourceCompiles)

# Asked of the compiler rather than of CMAKE_SYSTEM_PROCESSOR, so that cross builds and macOS
# universal builds (which fail here, and get the generic module) are answered right.
check_cxx_source_compiles("
#if !(defined(__x86_64__) || defined(_M_X64))
#error not x86-64
#endif
int main() { return 0; }" LANDSCAPE_X86_64)

if(LANDSCAPE_X86_64)
  set(LANDSCAPE_ISAS baseline avx2 avx512)
else()
  set(LANDSCAPE_ISAS generic)
endif()

if(MSVC)
  set(LANDSCAPE_FLAGS_baseline "") # SSE2 is what MSVC offers below AVX
  set(LANDSCAPE_FLAGS_avx2 /arch:AVX2)
  set(LANDSCAPE_FLAGS_avx512 /arch:AVX512)
else()
  # The baseline is x86-64-v2, spelt out because older compilers do not know the name.
  set(LANDSCAPE_FLAGS_baseline -msse3 -mssse3 -msse4.1 -msse4.2 -mpopcnt -mcx16)
  set(LANDSCAPE_FLAGS_avx2 ${LANDSCAPE_FLAGS_baseline} -mavx -mavx2 -mfma)
  set(LANDSCAPE_FLAGS_avx512 ${LANDSCAPE_FLAGS_avx2} -mavx512f -mavx512cd -mavx512dq -mavx512bw -mavx512vl
                             -mprefer-vector-width=512)
endif()
set(LANDSCAPE_FLAGS_generic "")

# A value is the same number whether its gradient is asked for or not: the sums of the losses are written twice, and the
# compiler may not fuse a multiplication into an addition in one of them only. A precompiled header would bring its own
# setting along.
set_source_files_properties("${PROJECT_SOURCE_DIR}/cpp/src/homogeneous/network.cpp" PROPERTIES
                            SKIP_UNITY_BUILD_INCLUSION ON SKIP_PRECOMPILE_HEADERS ON COMPILE_OPTIONS
                            "$<$<CXX_COMPILER_ID:GNU,Clang,AppleClang>:-ffp-contract=off>")

# landscape_compile(<target>): language level, warnings and sanitizers of our own sources. None of it
# reaches a project that links landscape::core.
function(landscape_compile target)
  target_compile_features(${target} PRIVATE cxx_std_17)
  # Eigen would open OpenMP regions of its own: threads that nobody asked for, and a hang in a forked process.
  # With AVX-512 its fast square root is not the rounded one, so that an entry would depend on where a packet ends.
  target_compile_definitions(${target} PRIVATE EIGEN_DONT_PARALLELIZE EIGEN_FAST_MATH=0)
  set_target_properties(${target} PROPERTIES CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF)
  if(MSVC)
    target_compile_options(${target} PRIVATE /W4 /permissive- /utf-8 /bigobj $<$<BOOL:${LANDSCAPE_WERROR}>:/WX>)
    target_compile_definitions(${target} PRIVATE _USE_MATH_DEFINES NOMINMAX)
  else()
    # -Wignored-attributes is about Eigen packet types as template arguments.
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wno-ignored-attributes
                           $<$<BOOL:${LANDSCAPE_WERROR}>:-Werror>)
    if(NOT LANDSCAPE_HAS_OPENMP)
      target_compile_options(${target} PRIVATE -Wno-unknown-pragmas)
    endif()
  endif()
  if(LANDSCAPE_SANITIZE)
    # Not tested before every access, at a quarter of the compile time: null and the end of an object, which the address
    # sanitizer reports, and alignment and dynamic types, which then go unchecked.
    target_compile_options(${target} PRIVATE -fsanitize=${LANDSCAPE_SANITIZE} -fno-sanitize-recover=all
                           -fno-sanitize=null,object-size,alignment,vptr -fno-omit-frame-pointer)
    target_link_options(${target} PRIVATE -fsanitize=${LANDSCAPE_SANITIZE})
  endif()
endfunction()

# landscape_link(<target> <scope>): the include folder, Eigen and OpenMP.
function(landscape_link target scope)
  target_include_directories(${target} ${scope} $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/cpp/include>)
  target_link_libraries(${target} ${scope} Eigen3::Eigen)
  if(LANDSCAPE_HAS_OPENMP)
    target_link_libraries(${target} ${scope} OpenMP::OpenMP_CXX)
  endif()
endfunction()
