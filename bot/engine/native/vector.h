// Vectors of floats as wide as this CPU's, and the few functions of them that a forward pass needs.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tandem {

// As wide as the sums of linear.h.
#if defined(__AVX512VNNI__)
constexpr int kLanes = 16;
#else
constexpr int kLanes = 8;
#endif

typedef float Vec __attribute__((vector_size(4 * kLanes)));
typedef int32_t IntVec __attribute__((vector_size(4 * kLanes)));

inline Vec load(const float* p) { Vec v; std::memcpy(&v, p, sizeof v); return v; }
inline void store(float* p, Vec v) { std::memcpy(p, &v, sizeof v); }
inline Vec splat(float x) { return x - Vec{}; }

inline float sum(Vec v) {
  float total = 0;
  for (int i = 0; i < kLanes; ++i) total += v[i];
  return total;
}

// The sums of eight vectors, in their order.
inline void sum8(const Vec* v, float* out) {
#if defined(__AVX__)
  __m256 parts[8];
  for (int i = 0; i < 8; ++i) {
#if defined(__AVX512VNNI__)
    // Extracts without a mask leave gcc 12 warning of its own header's undefined source.
    const __m512 whole = (__m512)v[i];
    parts[i] = _mm256_add_ps(_mm512_maskz_extractf32x8_ps(0xff, whole, 0), _mm512_maskz_extractf32x8_ps(0xff, whole, 1));
#else
    parts[i] = (__m256)v[i];
#endif
  }
  const __m256 first = _mm256_hadd_ps(_mm256_hadd_ps(parts[0], parts[1]), _mm256_hadd_ps(parts[2], parts[3]));
  const __m256 second = _mm256_hadd_ps(_mm256_hadd_ps(parts[4], parts[5]), _mm256_hadd_ps(parts[6], parts[7]));
  const __m256 low = _mm256_permute2f128_ps(first, second, 0x20), high = _mm256_permute2f128_ps(first, second, 0x31);
  _mm256_storeu_ps(out, _mm256_add_ps(low, high));
#else
  for (int i = 0; i < 8; ++i) out[i] = sum(v[i]);
#endif
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
