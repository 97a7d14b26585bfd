// int8 weights times quantised activations, summed exactly in int32, for 1 to many rows.
//
// Weights lie in tiles: kTile outputs side by side, kGroup inputs of each next to one another, as the dot product of
// this CPU wants them, read from front to back. One activation word (kGroup inputs of a row) meets a whole vector of
// weights, so there is nothing to add up across a vector at the end, and a row's result never depends on the rows beside it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
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
// Activations of 8 bits with a step of their own for each 64 of them, which keeps an outlier from coarsening the rest.
// The instruction wants one unsigned side: weights are stored with 128 added, which the sums start without.
using Activation = int8_t;
constexpr int kGroup = 4, kActivationMax = 127, kBlock = 64, kOffset = 128;
constexpr bool kOneBlock = false;
#else
// Activations of 12 bits with one step for the row: a sum of two products fits 32 bits with room for every model's
// width, where the usual 8-bit instruction of such CPUs saturates.
using Activation = int16_t;
constexpr int kGroup = 2, kActivationMax = 2047, kBlock = 1 << 20, kOffset = 0;
constexpr bool kOneBlock = true;
#endif

// kPassRows: as many rows as the registers hold sums for; totals may wait in memory.
#if defined(__AVX512VNNI__)
constexpr int kOutputs = 16, kPassRows = 8;
#elif !defined(__AVX2__)
constexpr int kOutputs = 8, kPassRows = 4;
#elif defined(__AVXVNNI__) || defined(TANDEM_LIKE_VNNI)
constexpr int kOutputs = 8, kPassRows = 2;
#else
constexpr int kOutputs = 8, kPassRows = 6;
#endif
typedef int32_t Sums __attribute__((vector_size(4 * kOutputs)));
typedef float Floats __attribute__((vector_size(4 * kOutputs)));
// Outputs of a tile: two vectors of sums for each row, so that every activation word is used twice.
constexpr int kTile = 2 * kOutputs;
constexpr int kStep = kOutputs * kGroup;
// Words of a tile in one line of memory: a tile is whole lines, and each is fetched once.
constexpr int kLine = 64, kLineWords = std::max(1, kLine / (2 * kStep));

// kGroup weights of each of kOutputs outputs, ready to be multiplied.
#if defined(__AVX512VNNI__)
using Weights = __m512i;
inline Weights load_weights(const int8_t* p) { return _mm512_loadu_si512(p); }
inline Sums dot(Sums sums, Weights weights, const Activation* word) {
  int32_t bits;
  std::memcpy(&bits, word, 4);
  const __m512i activations = _mm512_set1_epi32(bits);
  // The intrinsic makes gcc 12 copy sums between registers, at two thirds of the speed.
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(weights), "v"(activations));
  return sums;
}
#elif defined(__AVXVNNI__)
using Weights = __m256i;
inline Weights load_weights(const int8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
inline Sums dot(Sums sums, Weights weights, const Activation* word) {
  int32_t bits;
  std::memcpy(&bits, word, 4);
  return (Sums)_mm256_dpbusd_avx_epi32((__m256i)sums, weights, _mm256_set1_epi32(bits));
}
#elif defined(__AVX2__) && !defined(TANDEM_LIKE_VNNI)
using Weights = __m256i;
inline Weights load_weights(const int8_t* p) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline Sums dot(Sums sums, Weights weights, const Activation* word) {
  int32_t bits;
  std::memcpy(&bits, word, 4);
  sums += (Sums)_mm256_madd_epi16(weights, _mm256_set1_epi32(bits));
  // Without this gcc 12 adds products up before they meet the sums, for which it runs out of registers.
  asm("" : "+x"(sums));
  return sums;
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
inline Sums dot(Sums sums, const Weights& weights, const Activation* word) {
  for (int g = 0; g < kGroup; ++g) sums += weights.of[g] * static_cast<int32_t>(word[g]);
  return sums;
}
#endif

// Rows of activations: q = round(x / step), with a step for each block of a row. `start` is where the block's sums
// begin: without what kOffset will add to them.
struct Quantized {
  std::vector<Activation> q;
  std::vector<float> step;
  std::vector<int32_t> start;
  int stride = 0, blocks = 0;

  void resize(int rows, int inputs) {
    stride = (inputs + 63) / 64 * 64, blocks = (inputs + kBlock - 1) / kBlock;
    const size_t total = static_cast<size_t>(rows) * stride, total_blocks = static_cast<size_t>(rows) * blocks;
    if (q.size() < total) q.resize(total);
    if (step.size() < total_blocks) step.resize(total_blocks), start.resize(total_blocks);
  }

  void set(int row, const float* x, int inputs) {
    Activation* out = &q[static_cast<size_t>(row) * stride];
    for (int block = 0; block < blocks; ++block) {
      const int first = block * std::min(kBlock, inputs), count = std::min(kBlock, inputs - first);
      const size_t place = static_cast<size_t>(row) * blocks + block;
      // The compiler makes much more of a length that it knows.
      const int32_t total = count == 64 ? set_block(x + first, 64, step[place], out + first)
                                        : set_block(x + first, count, step[place], out + first);
      start[place] = -kOffset * total;
    }
    std::fill(out + inputs, out + stride, Activation{0});
  }

 private:
  [[gnu::always_inline]] static float largest(const float* x, int n) {
    Vec highs{};
    int i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      const Vec v = load(x + i), absolute = v < 0 ? -v : v;
      highs = absolute > highs ? absolute : highs;
    }
    float high = 0;
    for (; i < n; ++i) high = std::max(high, std::abs(x[i]));
    return std::max(high, tandem::largest(highs));
  }

  // Returns the sum of what is stored. Adding 1.5 · 2^23 rounds to even and leaves the integer in the lowest bits.
  // Nothing is out of range.
  [[gnu::always_inline]] static int32_t set_block(const float* x, int n, float& step, Activation* out) {
    step = std::max(largest(x, n), 1e-12f) / kActivationMax;
    const float magic = 12582912.0f, inverse = 1 / step;
    int32_t total = 0;
    for (int i = 0; i < n; ++i) {
      const int32_t q = static_cast<int32_t>((x[i] * inverse + magic) - magic);
      out[i] = static_cast<Activation>(q), total += q;
    }
    return total;
  }
};

// One weight matrix [outputs, inputs] in tiles, with what brings int32 sums back to floats.
struct Linear {
  int outputs = 0, inputs = 0, tiles = 0, words = 0;
  const int8_t* weights = nullptr;
  std::vector<float> scale, bias;

  static int count_tiles(int outputs) { return (outputs + kTile - 1) / kTile; }
  static int count_words(int inputs) {
    constexpr int kLineInputs = kLineWords * kGroup;
    return (inputs + kLineInputs - 1) / kLineInputs * kLineWords;
  }
  static size_t bytes(int outputs, int inputs) {
    return static_cast<size_t>(count_tiles(outputs)) * count_words(inputs) * 2 * kStep;
  }

  // values [n, k], scale [n] and bias [n] or null; `place` has room for bytes(n, k). With `halves` a tile holds
  // kOutputs of the first half of the outputs and the same of the second; n is then a multiple of kTile.
  void pack(Threads& threads, const int8_t* values, const float* scales, const float* biases, int n, int k,
            bool halves, int8_t* place) {
    outputs = n, inputs = k, tiles = count_tiles(n), words = count_words(k);
    scale.assign(tiles * kTile, 0), bias = scale;
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
        for (int input = 0; input < k; ++input)
          out[(input / kGroup * kTile + i) * kGroup + input % kGroup] = static_cast<int8_t>(row[input] + kOffset);
      }
    });
  }

  size_t tile_bytes() const { return static_cast<size_t>(words) * 2 * kStep; }
};

// The weights that a thread needs next, on their way from main memory while it computes others: the passes of several
// groups of rows over one tile fetch the next tile together, so memory never rests. Up to kFewRows rows wait for nothing
// but memory and want the first-level cache, more want the second.
constexpr int kFewRows = 2, kFewAhead = 8192;
struct Ahead {
  const int8_t *next, *end;

  Ahead(const Linear& w, int tile, int rows, int pass, int passes) {
    const size_t size = w.tile_bytes(), share = (size / passes + kLine - 1) / kLine * kLine;
    const int8_t* begin = w.weights + tile * size + (rows <= kFewRows ? kFewAhead : size);
    next = begin + pass * share, end = begin + std::min((pass + 1) * share, size);
  }

  // As much as a line of words takes.
  template <int kRows>
  void fetch() {
    constexpr int kHint = kRows <= kFewRows ? 3 : 2;
    for (int bytes = 0; bytes < kLineWords * 2 * kStep; bytes += kLine) {
      __builtin_prefetch(next, 0, kHint);
      next = std::min(next + kLine, end);
    }
  }
};

// The outputs of a tile for kRows rows, handed over row by row: emit(row, first output, values of kTile).
template <int kRows, class Emit>
inline void compute_tile(const Linear& w, int tile, const Quantized& x, int row, Ahead ahead, Emit&& emit) {
  const int8_t* weights = w.weights + tile * w.tile_bytes();
  const Activation* words = &x.q[static_cast<size_t>(row) * x.stride];
  Floats totals[kRows][2] = {};
  const int blocks = kOneBlock ? 1 : x.blocks;
  for (int block = 0; block < blocks; ++block) {
    Sums sums[kRows][2];
    for (int r = 0; r < kRows; ++r) sums[r][0] = sums[r][1] = Sums{} + (kOffset ? x.start[(row + r) * blocks + block] : 0);
    const int end = kOneBlock ? w.words : std::min(w.words, (block + 1) * (kBlock / kGroup));
    for (int word = block * (kBlock / kGroup); word < end; word += kLineWords) {
      ahead.fetch<kRows>();
      for (int i = 0; i < kLineWords; ++i, weights += 2 * kStep, words += kGroup) {
        const Weights columns[2] = {load_weights(weights), load_weights(weights + kStep)};
        for (int r = 0; r < kRows; ++r)
          for (int p = 0; p < 2; ++p) sums[r][p] = dot(sums[r][p], columns[p], words + r * x.stride);
      }
    }
    for (int r = 0; r < kRows; ++r)
      for (int p = 0; p < 2; ++p)
        totals[r][p] += __builtin_convertvector(sums[r][p], Floats) * x.step[(row + r) * blocks + block];
  }
  for (int r = 0; r < kRows; ++r) {
    float values[kTile];
    for (int p = 0; p < 2; ++p) {
      const int first = tile * kTile + p * kOutputs;
      Floats scale, bias;
      std::memcpy(&scale, &w.scale[first], sizeof scale);
      std::memcpy(&bias, &w.bias[first], sizeof bias);
      const Floats result = totals[r][p] * scale + bias;
      std::memcpy(values + p * kOutputs, &result, sizeof result);
    }
    emit(row + r, tile * kTile, values);
  }
}

// The rows that are left when whole tiles are done.
template <int kRows, class Emit>
inline void last_rows(int rows, const Linear& w, int tile, const Quantized& x, int row, Ahead ahead, Emit&& emit) {
  if (rows == kRows) return compute_tile<kRows>(w, tile, x, row, ahead, emit);
  if constexpr (kRows > 1) last_rows<kRows - 1>(rows, w, tile, x, row, ahead, emit);
}

// Calls emit(row, first output, values) for all rows and outputs; outputs beyond w.outputs are padding.
template <class Emit>
void multiply(Threads& threads, const Linear& w, const Quantized& x, int rows, Emit&& emit) {
  // Enough weights per task to hide what a task costs, few enough that all threads end together.
  constexpr int kTaskBytes = 1 << 16;
  // Rows whose activations stay in the second-level cache while the tiles of a task pass over them.
  constexpr int kBlockBytes = 1 << 17;
  const int per_task = std::max(1, kTaskBytes / static_cast<int>(w.tile_bytes()));
  const int block = std::max(kPassRows, kBlockBytes / static_cast<int>(x.stride * sizeof(Activation)) / kPassRows * kPassRows);
  const int tasks = (w.tiles + per_task - 1) / per_task, blocks = (rows + block - 1) / block;
  threads.loop(tasks * blocks, [&](int task) {
    const int first = task / tasks * block, end = std::min(rows, first + block);
    const int passes = (end - first + kPassRows - 1) / kPassRows;
    for (int tile = task % tasks * per_task; tile < std::min(w.tiles, (task % tasks + 1) * per_task); ++tile) {
      for (int pass = 0; pass < passes; ++pass) {
        const int row = first + pass * kPassRows, left = end - row;
        const Ahead ahead(w, tile, rows, pass, passes);
        if (left >= kPassRows) compute_tile<kPassRows>(w, tile, x, row, ahead, emit);
        else last_rows<kPassRows - 1>(left, w, tile, x, row, ahead, emit);
      }
    }
  });
}

}  // namespace tandem
