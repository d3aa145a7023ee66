# C++ benchmarks: every cpp/benchmarks/<name>.cpp is one Google Benchmark program.

find_package(benchmark REQUIRED)

file(GLOB _benchmarks CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/cpp/benchmarks/*.cpp")
foreach(source IN LISTS _benchmarks)
  get_filename_component(name "${source}" NAME_WE)
  add_executable(${name} "${source}")
  landscape_compile(${name})
  target_link_libraries(${name} PRIVATE landscape::core benchmark::benchmark benchmark::benchmark_main)
endforeach()
