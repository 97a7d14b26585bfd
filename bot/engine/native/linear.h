// int8 weights times quantised activations, exact in int32, for 1 to many rows.
//
// Weights lie in tiles: kTile outputs side by side, kGroup inputs of each next to one another, as the dot product of
// this CPU wants them, read from front to back. One activation word (kGroup inputs of a row) meets a whole vector of weights, so there is
// nothing to add up across a vector at the end, and a row's result never depends on the rows beside it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

#include "threads.h"
#include "vector.h"

namespace tandem {

#if defined(__AVX512VNNI__)
#define TANDEM_ISA "avx512-vnni"
#elif defined(__AVXVNNI__)
#define TANDEM_ISA "avx-vnni"
#elif defined(TANDEM_LIKE_VNNI)
// For tests on other CPUs: the layout and the activations of VNNI, multiplied one by one.
#define TANDEM_ISA "like vnni"
#elif defined(__AVX2__)
#define TANDEM_ISA "avx2"
#else
#define TANDEM_ISA "generic"
#endif

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__) || defined(TANDEM_LIKE_VNNI)
// Unsigned activations of 8 bits, with a zero point of its own for each row.
using Activation = uint8_t;
constexpr int kGroup = 4;
#else
// Signed activations of 12 bits: a sum of two products fits 32 bits with room for every model's width, where the
// usual 8-bit instruction of such CPUs saturates.
using Activation = int16_t;
constexpr int kGroup = 2;
#endif

#if defined(__AVX512VNNI__)
constexpr int kOutputs = 16;
#else
constexpr int kOutputs = 8;
#endif
typedef int32_t Sums __attribute__((vector_size(4 * kOutputs)));
typedef float Floats __attribute__((vector_size(4 * kOutputs)));
constexpr int kActivationMax = sizeof(Activation) == 1 ? 255 : 2047;
// Outputs of a tile: two vectors of sums for each row, so that every activation word is used twice.
constexpr int kTile = 2 * kOutputs;
constexpr int kStep = kOutputs * kGroup;

// kGroup weights of each of kOutputs outputs, ready to be multiplied.
#if defined(__AVX512VNNI__)
using Weights = __m512i;
inline Weights load_weights(const int8_t* p) { return _mm512_loadu_si512(p); }
inline Sums dot(Sums sums, Weights weights, const Activation* word) {
  int32_t bits;
  std::memcpy(&bits, word, 4);
  return (Sums)_mm512_dpbusd_epi32((__m512i)sums, _mm512_set1_epi32(bits), weights);
}
#elif defined(__AVXVNNI__)
using Weights = __m256i;
inline Weights load_weights(const int8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
inline Sums dot(Sums sums, Weights weights, const Activation* word) {
  int32_t bits;
  std::memcpy(&bits, word, 4);
  return (Sums)_mm256_dpbusd_avx_epi32((__m256i)sums, _mm256_set1_epi32(bits), weights);
}
#elif defined(__AVX2__) && !defined(TANDEM_LIKE_VNNI)
using Weights = __m256i;
inline Weights load_weights(const int8_t* p) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline Sums dot(Sums sums, Weights weights, const Activation* word) {
  int32_t bits;
  std::memcpy(&bits, word, 4);
  return sums + (Sums)_mm256_madd_epi16(weights, _mm256_set1_epi32(bits));
}
#else
typedef int8_t Bytes __attribute__((vector_size(kOutputs)));
struct Weights {
  Sums of[kGroup];
};
inline Weights load_weights(const int8_t* p) {
  Weights weights;
  for (int g = 0; g < kGroup; ++g) {
    Bytes bytes{};
    for (int i = 0; i < kOutputs; ++i) bytes[i] = p[i * kGroup + g];
    weights.of[g] = __builtin_convertvector(bytes, Sums);
  }
  return weights;
}
inline Sums dot(Sums sums, const Weights& weights, const Activation* word) {
  for (int g = 0; g < kGroup; ++g) sums += weights.of[g] * static_cast<int32_t>(word[g]);
  return sums;
}
#endif

// Rows of activations: q[row * stride + i] = round(x / step) + zero.
struct Quantized {
  std::vector<Activation> q;
  std::vector<float> step;
  std::vector<int32_t> zero;
  int stride = 0;

  void resize(int rows, int inputs) {
    stride = (inputs + 63) / 64 * 64;
    if (q.size() < static_cast<size_t>(rows) * stride) q.assign(static_cast<size_t>(rows) * stride, 0);
    if (step.size() < static_cast<size_t>(rows)) step.resize(rows), zero.resize(rows);
  }

  void set(int row, const float* x, int inputs) {
    Activation* out = &q[static_cast<size_t>(row) * stride];
    float low = 0, high = 0;
    bounds(x, inputs, low, high);
    if (sizeof(Activation) == 1) {
      step[row] = std::max(high - low, 1e-12f) / kActivationMax;
      zero[row] = static_cast<int32_t>(std::nearbyint(-low / step[row]));
    } else {
      step[row] = std::max(std::max(high, -low), 1e-12f) / kActivationMax;
      zero[row] = 0;
    }
    round(x, inputs, 1 / step[row], static_cast<float>(zero[row]), out);
    std::fill(out + inputs, out + stride, Activation{0});
  }

 private:
  static void bounds(const float* x, int n, float& low, float& high) {
    Vec lows{}, highs{};
    int i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      const Vec v = load(x + i);
      lows = v < lows ? v : lows;
      highs = v > highs ? v : highs;
    }
    for (; i < n; ++i) low = std::min(low, x[i]), high = std::max(high, x[i]);
    for (int lane = 0; lane < kLanes; ++lane) low = std::min(low, lows[lane]), high = std::max(high, highs[lane]);
  }

  static void round(const float* x, int n, float inverse, float zero, Activation* out) {
    // Adding 1.5 · 2^23 rounds to even and leaves the integer in the lowest bits.
    const float magic = 12582912.0f, least = sizeof(Activation) == 1 ? 0 : -kActivationMax;
    for (int i = 0; i < n; ++i) {
      float value = (x[i] * inverse + magic) - magic + zero;
      value = std::min(std::max(value, least), static_cast<float>(kActivationMax));
      out[i] = static_cast<Activation>(static_cast<int32_t>(value));
    }
  }
};

// One weight matrix [outputs, inputs] in tiles, with what brings int32 sums back to floats.
struct Linear {
  int outputs = 0, inputs = 0, tiles = 0, words = 0;
  const int8_t* weights = nullptr;
  std::vector<float> scale, bias;
  std::vector<int32_t> row_sum;

  static int count_tiles(int outputs) { return (outputs + kTile - 1) / kTile; }
  static size_t bytes(int outputs, int inputs) {
    return static_cast<size_t>(count_tiles(outputs)) * ((inputs + kGroup - 1) / kGroup) * 2 * kStep;
  }

  // values [n, k], scale [n] and bias [n] or null; `place` has room for bytes(n, k). With `halves` a tile holds
  // kOutputs of the first half of the outputs and the same of the second; n is then a multiple of kTile.
  void pack(Threads& threads, const int8_t* values, const float* scales, const float* biases, int n, int k,
            bool halves, int8_t* place) {
    outputs = n, inputs = k, tiles = count_tiles(n), words = (k + kGroup - 1) / kGroup;
    scale.assign(tiles * kTile, 0), bias = scale, row_sum.assign(tiles * kTile, 0);
    weights = place;
    threads.loop(tiles, [&](int tile) {
      int8_t* out = place + tile * tile_bytes();
      std::memset(out, 0, tile_bytes());
      for (int i = 0; i < kTile; ++i) {
        const int output = halves ? i / kOutputs * (n / 2) + tile * kOutputs + i % kOutputs : tile * kTile + i;
        if (output >= n) continue;
        const int8_t* row = values + static_cast<size_t>(output) * k;
        scale[tile * kTile + i] = scales[output];
        if (biases) bias[tile * kTile + i] = biases[output];
        row_sum[tile * kTile + i] = std::accumulate(row, row + k, 0);
        for (int input = 0; input < k; input += kGroup)
          std::memcpy(out + (input / kGroup * kTile + i) * kGroup, row + input, std::min(kGroup, k - input));
      }
    });
  }

  size_t tile_bytes() const { return static_cast<size_t>(words) * 2 * kStep; }
};

// The sums of a tile for kRows rows, handed over row by row: emit(row, first output, values of kTile).
template <int kRows, class Emit>
inline void compute_tile(const Linear& w, int tile, const Quantized& x, int row, Emit&& emit) {
  // Far enough ahead for main memory, which one row waits for most of the time.
  constexpr int kAhead = 2048;
  Sums sums[kRows][2] = {};
  const int8_t* weights = w.weights + tile * w.tile_bytes();
  const Activation* words = &x.q[static_cast<size_t>(row) * x.stride];
  for (int word = 0; word < w.words; ++word, weights += 2 * kStep, words += kGroup) {
    __builtin_prefetch(weights + kAhead);
    const Weights columns[2] = {load_weights(weights), load_weights(weights + kStep)};
    for (int r = 0; r < kRows; ++r)
      for (int p = 0; p < 2; ++p) sums[r][p] = dot(sums[r][p], columns[p], words + r * x.stride);
  }
  const int first = tile * kTile;
  for (int r = 0; r < kRows; ++r) {
    float values[kTile];
    for (int p = 0; p < 2; ++p) {
      Sums row_sum;
      Floats scale, bias;
      std::memcpy(&row_sum, &w.row_sum[first + p * kOutputs], sizeof row_sum);
      std::memcpy(&scale, &w.scale[first + p * kOutputs], sizeof scale);
      std::memcpy(&bias, &w.bias[first + p * kOutputs], sizeof bias);
      const Floats exact = __builtin_convertvector(sums[r][p] - row_sum * x.zero[row + r], Floats);
      const Floats result = exact * (scale * x.step[row + r]) + bias;
      std::memcpy(values + p * kOutputs, &result, sizeof result);
    }
    emit(row + r, first, values);
  }
}

// The rows that are left when whole tiles are done.
template <int kRows, class Emit>
inline void last_rows(int rows, const Linear& w, int tile, const Quantized& x, int row, Emit&& emit) {
  if (rows == kRows) return compute_tile<kRows>(w, tile, x, row, emit);
  if constexpr (kRows > 1) last_rows<kRows - 1>(rows, w, tile, x, row, emit);
}

// Calls emit(row, first output, values) for all rows and outputs; outputs beyond w.outputs are padding.
template <class Emit>
void multiply(Threads& threads, const Linear& w, const Quantized& x, int rows, Emit&& emit) {
  // As many rows as the registers hold sums for.
  constexpr int kRows = kOutputs == 16 ? 8 : 4;
  // Enough weights per task to hide what a task costs, few enough that all threads end together.
  constexpr int kTaskBytes = 1 << 16;
  // Rows whose activations stay in the second-level cache while the tiles of a task pass over them.
  constexpr int kBlockBytes = 1 << 17;
  const int per_task = std::max(1, kTaskBytes / static_cast<int>(w.tile_bytes()));
  const int block = std::max(kRows, kBlockBytes / static_cast<int>(x.stride * sizeof(Activation)) / kRows * kRows);
  const int tasks = (w.tiles + per_task - 1) / per_task, blocks = (rows + block - 1) / block;
  threads.loop(tasks * blocks, [&](int task) {
    const int first = task / tasks * block, end = std::min(rows, first + block);
    for (int tile = task % tasks * per_task; tile < std::min(w.tiles, (task % tasks + 1) * per_task); ++tile) {
      int row = first;
      for (; row + kRows <= end; row += kRows) compute_tile<kRows>(w, tile, x, row, emit);
      if (row < end) last_rows<kRows - 1>(end - row, w, tile, x, row, emit);
    }
  });
}

}  // namespace tandem
