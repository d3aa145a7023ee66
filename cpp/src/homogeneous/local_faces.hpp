// The faces of a central arrangement of few hyperplanes, as sign vectors in {-1, 0, 1}, exactly.
#pragma once

#include <set>
#include <vector>

#include "landscape/typedefs.hpp"

namespace landscape::homogeneous {

using FaceSigns = std::vector<signed char>;

// The normals `members`, restricted to r <= 3 `coordinates` in which they have rank r.
std::set<FaceSigns> local_faces(const Matrix& normals, const std::vector<Index>& members,
                                const std::vector<int>& coordinates);

// Faces that share A: the same members are positive, and A is the same whatever sign a member that vanishes is given.
struct LocalPattern {
  std::vector<std::size_t> positive;                // members
  FaceSigns signs;                                  // +1 where positive, else -1
  std::vector<std::vector<std::size_t>> vanishing;  // members, of each face
};
std::vector<LocalPattern> local_patterns(const std::set<FaceSigns>& faces);

}  // namespace landscape::homogeneous
