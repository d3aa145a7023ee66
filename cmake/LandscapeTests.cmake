# C++ tests: every tests/cpp/test_<concept>.cpp is one program, registered with ctest under its name.

find_path(DOCTEST_INCLUDE_DIR doctest/doctest.h)
if(NOT DOCTEST_INCLUDE_DIR)
  message(FATAL_ERROR "doctest/doctest.h was not found (apt-get install doctest-dev, brew install doctest)")
endif()

set(_main "${CMAKE_CURRENT_BINARY_DIR}/doctest_main.cpp")
file(CONFIGURE OUTPUT "${_main}" CONTENT
     "#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN\n#include <doctest/doctest.h>\n" @ONLY)
add_library(landscape_doctest_main OBJECT "${_main}")
target_include_directories(landscape_doctest_main SYSTEM PUBLIC "${DOCTEST_INCLUDE_DIR}")
landscape_compile(landscape_doctest_main)

set(_test_libraries landscape::core landscape_doctest_main)
if(LANDSCAPE_SANITIZE MATCHES "thread" AND LANDSCAPE_HAS_OPENMP AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_library(landscape_tsan_libgomp OBJECT "${PROJECT_SOURCE_DIR}/cmake/tsan_libgomp.cpp")
  target_link_libraries(landscape_tsan_libgomp PUBLIC ${CMAKE_DL_LIBS})
  list(APPEND _test_libraries landscape_tsan_libgomp)
endif()

file(GLOB _tests CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/cpp/test_*.cpp")
foreach(source IN LISTS _tests)
  get_filename_component(name "${source}" NAME_WE)
  add_executable(${name} "${source}")
  landscape_compile(${name})
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests/cpp")
  target_link_libraries(${name} PRIVATE ${_test_libraries})
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 600 ENVIRONMENT
    "UBSAN_OPTIONS=print_stacktrace=1;TSAN_OPTIONS=halt_on_error=1")
endforeach()

# test_allocation compiles these itself: in a unity build too they stay members of their own in the library, which the
# linker then leaves out.
foreach(source linalg/products linear/deep linear/shallow)
  set_property(SOURCE "${PROJECT_SOURCE_DIR}/cpp/src/${source}.cpp" PROPERTY SKIP_UNITY_BUILD_INCLUSION ON)
endforeach()

# A stranger's project: install, find_package(landscape), build, run. Pointless under a sanitizer, whose
# flags the stranger does not have.
if(NOT LANDSCAPE_SANITIZE)
  add_test(NAME consumer COMMAND "${CMAKE_COMMAND}"
           "-DBUILD_DIR=${PROJECT_BINARY_DIR}" "-DCONFIG=$<CONFIG>"
           "-DCONSUMER_SOURCE_DIR=${PROJECT_SOURCE_DIR}/tests/cpp/consumer"
           "-DGENERATOR=${CMAKE_GENERATOR}" "-DCXX_COMPILER=${CMAKE_CXX_COMPILER}" "-DEIGEN3_DIR=${Eigen3_DIR}"
           -P "${PROJECT_SOURCE_DIR}/cmake/TestConsumer.cmake")
endif()
