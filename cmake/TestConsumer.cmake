# ctest "consumer": installs landscape::core to a scratch prefix and uses it as a stranger would.

set(scratch "${BUILD_DIR}/consumer")
file(REMOVE_RECURSE "${scratch}")

foreach(step IN ITEMS install configure build run)
  if(step STREQUAL "install")
    set(command "${CMAKE_COMMAND}" --install "${BUILD_DIR}" --config "${CONFIG}" --component core
        --prefix "${scratch}/prefix")
  elseif(step STREQUAL "configure")
    set(command "${CMAKE_COMMAND}" -S "${CONSUMER_SOURCE_DIR}" -B "${scratch}/build" -G "${GENERATOR}"
        "-DCMAKE_CXX_COMPILER=${CXX_COMPILER}" "-DCMAKE_BUILD_TYPE=${CONFIG}"
        "-DCMAKE_PREFIX_PATH=${scratch}/prefix" "-DEigen3_DIR=${EIGEN3_DIR}")
  elseif(step STREQUAL "build")
    set(command "${CMAKE_COMMAND}" --build "${scratch}/build" --config "${CONFIG}")
  else()
    set(command "${CMAKE_COMMAND}" --build "${scratch}/build" --config "${CONFIG}" --target check)
  endif()
  execute_process(COMMAND ${command} RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "consumer: ${step} failed (${status})")
  endif()
endforeach()
