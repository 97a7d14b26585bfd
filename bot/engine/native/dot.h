// How this CPU multiplies int8 weights with quantised activations: how weights lie in memory, and in which formats
// activations come.
//
// A format says how many bits an activation has, how a row of them is stored, and how the products with a line of
// weights are added to sums. All rows are `Fine`, but those that no word is drawn from may be `Coarse`, which some CPUs
// multiply faster.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tandem {

#if defined(__AVX512VNNI__)
#define TANDEM_ISA "avx512-vnni"
#elif defined(__AVXVNNI__)
#define TANDEM_ISA "avx-vnni"
#elif defined(TANDEM_LIKE_VNNI)
// For tests on other CPUs: the layout and the activations of VNNI, multiplied one by one, and vectors of so many numbers.
#define TANDEM_ISA "like vnni"
#elif defined(__AVX2__)
#define TANDEM_ISA "avx2"
#define TANDEM_AVX2
#else
#define TANDEM_ISA "generic"
#endif
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__) || defined(TANDEM_LIKE_VNNI)
#define TANDEM_VNNI
#endif

#if defined(__AVX512VNNI__)
constexpr int kOutputs = 16;
#elif defined(TANDEM_LIKE_VNNI)
constexpr int kOutputs = TANDEM_LIKE_VNNI;
#else
constexpr int kOutputs = 8;
#endif

// kGroup inputs of an output lie side by side. VNNI's instruction wants one unsigned side: weights are stored with
// kOffset added, which the sums start without.
#if defined(TANDEM_VNNI)
constexpr int kGroup = 4, kOffset = 128;
#else
constexpr int kGroup = 2, kOffset = 0;
#endif

typedef int32_t Sums __attribute__((vector_size(4 * kOutputs)));
typedef float Floats __attribute__((vector_size(4 * kOutputs)));
// Outputs of a tile: two vectors of sums for each row, so that every activation word is used twice.
constexpr int kTile = 2 * kOutputs;
constexpr int kStep = kOutputs * kGroup;
// Words of a tile, kGroup inputs of all its outputs, that a format takes at once: whole lines of memory, and each is
// fetched once.
constexpr int kLine = 64;
#if defined(TANDEM_AVX2)
constexpr int kLineWords = 4;
#else
constexpr int kLineWords = std::max(1, kLine / (2 * kStep));
#endif
constexpr int kLineInputs = kLineWords * kGroup, kLineBytes = kLineWords * 2 * kStep;

inline int32_t word_at(const void* p) {
  int32_t bits;
  std::memcpy(&bits, p, sizeof bits);
  return bits;
}

// Of all rows that a word may be drawn from.
struct Fine {
#if defined(TANDEM_VNNI)
  // 8 bits, with a step of their own for each 64 activations, which keeps an outlier from coarsening the rest.
  using Activation = int8_t;
  static constexpr int kMax = 127, kBlock = 64;
#else
  // 12 bits with one step for the row: a sum of two products fits 32 bits with room for every model's width, where the
  // usual 8-bit instruction of such CPUs saturates.
  using Activation = int16_t;
  static constexpr int kMax = 2047, kBlock = 1 << 20;
#endif
  static constexpr bool kOneBlock = kBlock == 1 << 20;
  // Added to activations, which sums start without.
  static constexpr int kShift = 0;
  // As many rows as the registers hold sums for; totals may wait in memory.
#if !defined(__AVX2__)
  static constexpr int kPassRows = 4;
#elif defined(TANDEM_VNNI)
  static constexpr int kPassRows = kOutputs == 16 ? 8 : 2;
#else
  static constexpr int kPassRows = 6;
#endif

  // Whether the format wants the weights of a tile in another order.
  static constexpr bool kReordered = false;
  // Whether a row of weights is small enough.
  static bool fits(const int8_t*, int) { return true; }

  // Adds the products of a line of weights with kRows rows of activations, `stride` from one another.
  template <int kRows>
  [[gnu::always_inline]] static void add_line(Sums (&sums)[kRows][2], const int8_t* weights, const Activation* line, int stride);
};

#if defined(TANDEM_AVX2)
inline Sums add_products(Sums sums, __m256i a, __m256i b) {
  sums += (Sums)_mm256_madd_epi16(a, b);
  // Without this gcc 12 adds products up before they meet the sums, for which it runs out of registers.
  asm("" : "+x"(sums));
  return sums;
}

template <int kRows>
inline void Fine::add_line(Sums (&sums)[kRows][2], const int8_t* weights, const Activation* line, int stride) {
  const auto load = [](const int8_t* p) { return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); };
  for (int word = 0; word < kLineWords; ++word, weights += 2 * kStep, line += kGroup) {
    const __m256i columns[2] = {load(weights), load(weights + kStep)};
    for (int r = 0; r < kRows; ++r) {
      const __m256i activations = _mm256_set1_epi32(word_at(line + r * stride));
      for (int p = 0; p < 2; ++p) sums[r][p] = add_products(sums[r][p], columns[p], activations);
    }
  }
}

// 7 bits, unsigned, with a step of their own for each 128 activations. Products are added in 16 bits first, four of them:
// those of the inputs 0, 1, 4, 5 and of 2, 3, 6, 7 of a line. That makes this faster than `Fine`, and it would overflow if
// not `fits` said so; bot/engine/linear.py makes weights that do.
struct Coarse {
  using Activation = uint8_t;
  static constexpr int kMax = 63, kBlock = 128, kShift = 64, kPassRows = 4;
  static constexpr bool kOneBlock = false, kReordered = true;

  // Whether a row of weights is small enough.
  static bool fits(const int8_t* row, int inputs) {
    const __m256i zero = _mm256_setzero_si256();
    __m256i largest = zero;
    const auto count = [&](__m256i sizes) {
      const __m256i pairs = _mm256_maddubs_epi16(sizes, _mm256_set1_epi8(1));
      largest = _mm256_max_epi16(largest, _mm256_add_epi16(pairs, _mm256_srli_epi64(pairs, 32)));
    };
    for (int first = 0; first < inputs; first += 32) {
      int8_t tail[32] = {};
      const int8_t* some = row + first;
      if (inputs - first < 32) std::copy(some, row + inputs, tail), some = tail;
      const __m256i weights = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(some));
      count(_mm256_max_epi8(weights, zero));
      count(_mm256_sub_epi8(zero, _mm256_min_epi8(weights, zero)));  // 128 too, for it is taken as unsigned
    }
    alignas(32) int16_t fours[16];
    _mm256_store_si256(reinterpret_cast<__m256i*>(fours), largest);
    return *std::max_element(fours, fours + 16) * (kMax + kShift) <= INT16_MAX;
  }

  // A line with four inputs of an output side by side instead of two. Lanes are woven apart from one another: each gets a
  // half of both parts of a word.
  static void reorder(const int8_t* line, int8_t* out) {
    const auto at = [&](int word) {
      const auto* place = reinterpret_cast<const __m256i*>(line + 2 * word * kStep);
      return _mm256_permute4x64_epi64(_mm256_loadu_si256(place), 0b11'01'10'00);
    };
    auto* place = reinterpret_cast<__m256i*>(out);
    for (int word = 0; word < kLineWords; word += 2) {
      const __m256i first = at(word), second = at(word + 1);
      _mm256_storeu_si256(place++, _mm256_unpacklo_epi16(first, second));
      _mm256_storeu_si256(place++, _mm256_unpackhi_epi16(first, second));
    }
  }

  template <int kRows>
  [[gnu::always_inline]] static void add_line(Sums (&sums)[kRows][2], const int8_t* weights, const Activation* line, int stride) {
    const __m256i ones = _mm256_set1_epi16(1);
    const auto column = [&](int i) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights) + i); };
    for (int r = 0; r < kRows; ++r, line += stride) {
      const __m256i first = _mm256_set1_epi32(word_at(line)), second = _mm256_set1_epi32(word_at(line + 4));
      for (int p = 0; p < 2; ++p) {
        const __m256i fours = _mm256_add_epi16(_mm256_maddubs_epi16(first, column(p)), _mm256_maddubs_epi16(second, column(2 + p)));
        sums[r][p] = add_products(sums[r][p], fours, ones);
      }
    }
  }
};
#else
using Coarse = Fine;  // nothing would be gained

#if defined(__AVX512VNNI__)
using Weights = __m512i;
inline Weights load_weights(const int8_t* p) { return _mm512_loadu_si512(p); }
inline Sums dot(Sums sums, Weights weights, const int8_t* word) {
  const __m512i activations = _mm512_set1_epi32(word_at(word));
  // The intrinsic makes gcc 12 copy sums between registers, at two thirds of the speed.
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(weights), "v"(activations));
  return sums;
}
#elif defined(__AVXVNNI__)
using Weights = __m256i;
inline Weights load_weights(const int8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
inline Sums dot(Sums sums, Weights weights, const int8_t* word) {
  return (Sums)_mm256_dpbusd_avx_epi32((__m256i)sums, weights, _mm256_set1_epi32(word_at(word)));
}
#else
// Stored with kOffset added, so unsigned where there is one.
using Stored8 = std::conditional_t<kOffset != 0, uint8_t, int8_t>;
typedef Stored8 Bytes __attribute__((vector_size(kOutputs)));
struct Weights {
  Sums of[kGroup];
};
inline Weights load_weights(const int8_t* p) {
  Weights weights;
  for (int g = 0; g < kGroup; ++g) {
    Bytes bytes{};
    for (int i = 0; i < kOutputs; ++i) bytes[i] = static_cast<Stored8>(p[i * kGroup + g]);
    weights.of[g] = __builtin_convertvector(bytes, Sums);
  }
  return weights;
}
inline Sums dot(Sums sums, const Weights& weights, const Fine::Activation* word) {
  for (int g = 0; g < kGroup; ++g) sums += weights.of[g] * static_cast<int32_t>(word[g]);
  return sums;
}
#endif

template <int kRows>
inline void Fine::add_line(Sums (&sums)[kRows][2], const int8_t* weights, const Activation* line, int stride) {
  for (int word = 0; word < kLineWords; ++word, weights += 2 * kStep, line += kGroup) {
    const Weights columns[2] = {load_weights(weights), load_weights(weights + kStep)};
    for (int r = 0; r < kRows; ++r)
      for (int p = 0; p < 2; ++p) sums[r][p] = dot(sums[r][p], columns[p], line + r * stride);
  }
}
#endif

}  // namespace tandem
