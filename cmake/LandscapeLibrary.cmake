# landscape::core, the C++ library, with its CMake package (component "core").

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

if(LANDSCAPE_CORE_SOURCES)
  add_library(landscape_core STATIC ${LANDSCAPE_CORE_SOURCES})
  set(_scope PUBLIC)
  landscape_compile(landscape_core)
  set_target_properties(landscape_core PROPERTIES POSITION_INDEPENDENT_CODE ON)
else()
  add_library(landscape_core INTERFACE)
  set(_scope INTERFACE)
endif()
add_library(landscape::core ALIAS landscape_core)
landscape_link(landscape_core ${_scope})
target_compile_features(landscape_core ${_scope} cxx_std_17)
target_include_directories(landscape_core ${_scope} $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
set_target_properties(landscape_core PROPERTIES EXPORT_NAME core OUTPUT_NAME landscape_core)

set(_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/landscape")
install(TARGETS landscape_core EXPORT landscapeTargets
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT core)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/cpp/include/landscape" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        COMPONENT core FILES_MATCHING PATTERN "*.hpp")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATADIR}/licenses/landscape"
        COMPONENT core OPTIONAL)
install(EXPORT landscapeTargets NAMESPACE landscape:: DESTINATION "${_package_dir}" COMPONENT core)

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/landscapeConfig.cmake.in" landscapeConfig.cmake
                              INSTALL_DESTINATION "${_package_dir}")
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(landscapeConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/landscapeConfig.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/landscapeConfigVersion.cmake"
        DESTINATION "${_package_dir}" COMPONENT core)
