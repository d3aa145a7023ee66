// Sxx = I, Syx = diag(2, 1), Syy = diag(5, 2), one hidden unit: U = V = e2 is a strict saddle, 3 above the best risk.
#include <cmath>
#include <iostream>
#include <landscape/linear/classify.hpp>

int main() {
  using namespace landscape;
  const Matrix xx = Matrix::Identity(2, 2), xy = Eigen::Vector2d(2, 1).asDiagonal(), e2 = Eigen::Vector2d(0, 1);
  const risk::SpectralData data = risk::spectral_from_moments(xx, xy, 7.0, 0, Context{});
  const linear::Classification found = linear::classify(data, e2, e2, 1e-8, nullptr, Context{});
  std::cout << "risk " << found.value << ", gap " << found.gap << ", curvature " << found.curvature << '\n';
  return found.kind == linear::Kind::strict_saddle && std::abs(found.gap - 3.0) < 1e-12 ? 0 : 1;
}
