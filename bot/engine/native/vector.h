// Vectors of floats as wide as this CPU's, and the few functions of them that a forward pass needs.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "dot.h"

namespace tandem {

constexpr int kLanes = kOutputs;

typedef float Vec __attribute__((vector_size(4 * kLanes)));
typedef int32_t IntVec __attribute__((vector_size(4 * kLanes)));

inline Vec load(const float* p) { Vec v; std::memcpy(&v, p, sizeof v); return v; }
// For several uses: gcc 12 would load such a vector again for each, if it knew where it came from.
inline Vec load_once(const float* p) {
  Vec v = load(p);
#if defined(__AVX512VNNI__)
  asm("" : "+v"(v));
#elif defined(__AVX__) && !defined(TANDEM_LIKE_VNNI)
  asm("" : "+x"(v));
#endif
  return v;
}
inline void store(float* p, Vec v) { std::memcpy(p, &v, sizeof v); }
inline Vec splat(float x) { return x - Vec{}; }

// All lanes in one, by halves: a chain of lanes would be waited for.
template <class Operation>
inline float reduce(Vec v, Operation&& operation) {
#if defined(__AVX__) && !defined(TANDEM_LIKE_VNNI)
#if defined(__AVX512VNNI__)
  // Extracts without a mask leave gcc 12 warning of its own header's undefined source.
  const __m512 whole = (__m512)v;
  const __m256 half = operation(_mm512_maskz_extractf32x8_ps(0xff, whole, 0), _mm512_maskz_extractf32x8_ps(0xff, whole, 1));
#else
  const __m256 half = (__m256)v;
#endif
  const __m128 four = operation(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  const __m128 two = operation(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(operation(two, _mm_movehdup_ps(two)));
#else
  float lanes[kLanes];
  store(lanes, v);
  for (int n = kLanes / 2; n > 0; n /= 2)
    for (int i = 0; i < n; ++i) lanes[i] = operation(lanes[i], lanes[i + n]);
  return lanes[0];
#endif
}

inline float sum(Vec v) {
  return reduce(v, [](auto a, auto b) { return a + b; });
}

inline float largest(Vec v) {
  return reduce(v, [](auto a, auto b) { return a > b ? a : b; });
}

// e^x to 2 ulp (Cephes expf), for x clamped to ±87.
inline Vec exp(Vec x) {
  const Vec high = splat(87.0f), low = splat(-87.0f);
  x = x > high ? high : (x < low ? low : x);
  // Adding 1.5 · 2^23 leaves round(x / ln 2) in the lowest bits.
  const Vec magic = splat(12582912.0f);
  const Vec shifted = x * 1.44269504f + magic;
  const Vec n = shifted - magic;
  const Vec r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Vec p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  IntVec bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits - 0x4b400000 + 127) << 23;
  Vec scale;
  std::memcpy(&scale, &bits, sizeof scale);
  return p * scale;
}

}  // namespace tandem
