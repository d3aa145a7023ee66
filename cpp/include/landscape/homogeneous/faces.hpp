// The polar of one-hidden-layer units in up to five dimensions, exactly, by enumeration of faces: with
// act(t) = max(t, a t), a in [-1, 1], X (m x d), Q (m x nL),
//   max over |w| = 1 of f(w) = |sum_i act(x_i . w) q_i|_2
// is bracketed to rounding (THEORY 7.3 and 12b.9). The hyperplanes x_i . w = 0 cut space into cones; on each of them
// f(w) = |A w|, A = sum_i act'(x_i . w) q_i x_i^T (nL x d). Where w* attains the maximum let F be the face (cone of any
// dimension) that has it inside, and Z the samples that vanish there: w* is a top eigenvector of A^T A restricted to
// the complement of Z, because a local maximum of a quadratic form on a sphere is its largest eigenvalue. Every face
// has a piece of a plane T^perp on its boundary, T some d - 2 samples (d = 3: an arc of a great circle x_i^perp), so a
// sweep through every such plane meets all faces, in O(m^(d-1) (log m + nL)). A face counts only if its eigenvalue
// beats the best value so far and its eigenvector lies in it; for nL = 1 the eigenvector is a / |a|, a = A^T.
//
// Why `upper` is one. Which patterns of signs occur is decided exactly: samples on one line through 0 are merged and
// the lines of a plane are ordered by the signs of determinants, evaluated in exact arithmetic where doubles do not
// tell, so nearly coincident, duplicate, opposite and dependent samples lose no face (a pattern in excess is harmless:
// its eigenvector is tested like any other). A is a sum of 64-bit integers: no drift, and |dA|_F <= eps_A is known
// beforehand. Where the best value was not beaten the bound is that value plus the rounding of one face,
// eps_A + O(u |A|_F). A face is left out for its eigenvector only if that lies outside by more than its error
// (Davis & Kahan 1970, in the form of Yu, Wang & Samworth 2015: sin <= 2 |dM| / gap); if the gap g to the second
// eigenvalue is of the order of rounding, the face's maximum squared is at most g above the one on its boundary, since
// the great circle through w* in the span of both eigenvectors leaves the face.
#pragma once

#include <limits>
#include <string>

#include "landscape/context.hpp"
#include "landscape/homogeneous/maximizers.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::homogeneous {

struct FacesSettings {
  // Local maximisers above it are collected: those inside a cell, and the best one in every plane T^perp.
  double threshold = std::numeric_limits<double>::infinity();
  double separation = 0.05;  // radians between any two of them; the larger one stays
  Index count = 20;          // at most so many
  double known = 0.0;        // a value already attained: faces below it are not looked into
  double max_seconds = std::numeric_limits<double>::infinity();
};

struct FacesResult {
  double lower = 0.0;                                      // f(direction) with all rounding taken off
  double upper = std::numeric_limits<double>::infinity();  // >= max f if complete
  Vector direction;                                        // unit
  Maximizers maximizers;
  bool complete = false;
  std::string reason;     // why not
  Index circles = 0;      // planes T^perp
  Index arcs = 0;         // pieces of them
  Index evaluations = 0;  // of f
};

// X (m x d) with 1 <= d <= 5, of any rank; Q (m x nL); slope = a in [-1, 1].
FacesResult faces(const ConstMatrixView& x, const ConstMatrixView& q, double slope, const FacesSettings& settings,
                  const Context& context);

}  // namespace landscape::homogeneous
