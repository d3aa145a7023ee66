// The version of the library: the only place where it is written. CMakeLists.txt and pyproject.toml
// read these three lines.
#pragma once

#define LANDSCAPE_VERSION_MAJOR 0
#define LANDSCAPE_VERSION_MINOR 1
#define LANDSCAPE_VERSION_PATCH 0

#define LANDSCAPE_DETAIL_STRING_OF(x) #x
#define LANDSCAPE_DETAIL_STRING(x) LANDSCAPE_DETAIL_STRING_OF(x)

// "major.minor.patch"
#define LANDSCAPE_VERSION_STRING                   \
  LANDSCAPE_DETAIL_STRING(LANDSCAPE_VERSION_MAJOR) \
  "." LANDSCAPE_DETAIL_STRING(LANDSCAPE_VERSION_MINOR) "." LANDSCAPE_DETAIL_STRING(LANDSCAPE_VERSION_PATCH)
