// Which terms a minibatch takes: every epoch goes through all of them once, in an order drawn anew. The order is a
// permutation that can be asked for one place at a time (a Feistel network of four rounds on the smallest even number
// of bits that holds the count, walked until it lands below it: Black & Rogaway 2002), so nothing is kept between
// steps.
#pragma once

#include "landscape/random.hpp"

namespace landscape::training {

class Epoch {
 public:
  Epoch(const CounterRandom& random, std::uint64_t epoch, std::uint64_t count)
      : random_(random), epoch_(epoch), count_(count) {
    while ((std::uint64_t{1} << (2 * half_bits_)) < count) ++half_bits_;
    mask_ = (std::uint64_t{1} << half_bits_) - 1;
  }

  // The term at place 0 <= i < count.
  std::uint64_t operator()(std::uint64_t place) const {
    do place = shuffled(place);
    while (place >= count_);
    return place;
  }

 private:
  std::uint64_t shuffled(std::uint64_t x) const {
    std::uint64_t left = x >> half_bits_, right = x & mask_;
    for (std::uint64_t round = 0; round < 4; ++round) {
      const std::uint64_t next = left ^ (random_.bits((((epoch_ << 2) + round) << 32) ^ right) & mask_);
      left = right;
      right = next;
    }
    return (left << half_bits_) | right;
  }

  const CounterRandom& random_;
  std::uint64_t epoch_, count_, mask_ = 0;
  int half_bits_ = 1;
};

}  // namespace landscape::training
