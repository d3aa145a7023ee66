// An objective of training together with what it reads.
#pragma once

#include <memory>

#include "landscape/training/objective.hpp"

namespace landscape::bindings {

struct ObjectiveObject {
  std::shared_ptr<const void> data;
  std::unique_ptr<training::Objective> objective;
};

}  // namespace landscape::bindings
