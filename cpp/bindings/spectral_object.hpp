// The bound form of risk::SpectralData, shared by the risk and linear bindings.
#pragma once

#include "landscape/risk/spectral.hpp"

namespace landscape::bindings {

struct SpectralObject {
  risk::SpectralData data;
};

}  // namespace landscape::bindings
