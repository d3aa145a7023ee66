#include "local_faces.hpp"

#include <map>
#include <utility>

#include "exact_determinant.hpp"

namespace landscape::homogeneous {

namespace {

double minor_of(const Matrix& normals, const std::vector<Index>& chosen, const std::vector<int>& coordinates) {
  SmallMatrix a;
  a.order = static_cast<int>(coordinates.size());
  for (int i = 0; i < a.order; ++i)
    for (int c = 0; c < a.order; ++c)
      a(i, c) = normals(coordinates[static_cast<std::size_t>(c)], chosen[static_cast<std::size_t>(i)]);
  return determinant(a, false);
}

signed char sign_of(double t) { return t > 0.0 ? 1 : t < 0.0 ? -1 : 0; }

// Subsets of one or two members
std::vector<std::vector<Index>> subsets(const std::vector<Index>& members, std::size_t size) {
  std::vector<std::vector<Index>> result;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (size == 1) result.push_back({members[i]});
    for (std::size_t j = i + 1; size == 2 && j < members.size(); ++j) result.push_back({members[i], members[j]});
  }
  return result;
}

}  // namespace

// Every face but {0} has a ray on its boundary, on which r - 1 independent members vanish; the faces at a ray are those
// of the members that vanish there.
std::set<FaceSigns> local_faces(const Matrix& normals, const std::vector<Index>& members,
                                const std::vector<int>& coordinates) {
  const std::size_t rank = coordinates.size(), n = members.size();
  std::set<FaceSigns> faces{FaceSigns(n, 0)};
  if (rank == 1) {
    FaceSigns signs(n);
    for (const int side : {1, -1}) {
      for (std::size_t j = 0; j < n; ++j) signs[j] = sign_of(side * normals(coordinates[0], members[j]));
      faces.insert(signs);
    }
    return faces;
  }
  for (std::vector<Index>& chosen : subsets(members, rank - 1)) {
    std::vector<int> fewer;  // coordinates in which `chosen` is independent
    for (std::size_t skip = 0; skip < rank && fewer.empty(); ++skip) {
      std::vector<int> rest = coordinates;
      rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(skip));
      if (minor_of(normals, chosen, rest) != 0.0) fewer = rest;
    }
    if (fewer.empty()) continue;
    FaceSigns at_ray(n);
    std::vector<Index> vanishing;
    chosen.push_back(0);
    for (std::size_t j = 0; j < n; ++j) {
      chosen.back() = members[j];
      at_ray[j] = sign_of(minor_of(normals, chosen, coordinates));
      if (at_ray[j] == 0) vanishing.push_back(members[j]);
    }
    for (const FaceSigns& there : local_faces(normals, vanishing, fewer))
      for (const int side : {1, -1}) {
        FaceSigns signs(n);
        for (std::size_t j = 0, k = 0; j < n; ++j)
          signs[j] = at_ray[j] == 0 ? there[k++] : static_cast<signed char>(side * at_ray[j]);
        faces.insert(signs);
      }
  }
  return faces;
}

std::vector<LocalPattern> local_patterns(const std::set<FaceSigns>& faces) {
  std::map<std::vector<std::size_t>, std::vector<std::vector<std::size_t>>> by_positive;
  std::size_t members = 0;
  for (const FaceSigns& face : faces) {
    members = face.size();
    std::vector<std::size_t> positive, vanishing;
    for (std::size_t j = 0; j < members; ++j) {
      if (face[j] > 0) positive.push_back(j);
      if (face[j] == 0) vanishing.push_back(j);
    }
    by_positive[positive].push_back(vanishing);
  }
  std::vector<LocalPattern> result;
  for (auto& [positive, vanishing] : by_positive) {
    LocalPattern pattern{positive, FaceSigns(members, -1), std::move(vanishing)};
    for (const std::size_t j : positive) pattern.signs[j] = 1;
    result.push_back(std::move(pattern));
  }
  return result;
}

}  // namespace landscape::homogeneous
