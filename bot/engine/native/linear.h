// int8 weights times quantised activations, summed exactly in int32, for 1 to many rows.
//
// Weights lie in tiles: kTile outputs side by side, kGroup inputs of each next to one another, as the dot product of
// this CPU wants them, read from front to back. One activation word (kGroup inputs of a row) meets a whole vector of
// weights, so there is nothing to add up across a vector at the end, and a row's result never depends on the rows beside it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <type_traits>
#include <vector>

#include "dot.h"
#include "threads.h"
#include "vector.h"

namespace tandem {

// Rows of activations of one format: q = round(x / step), with a step for each block of a row. `start` is where the
// block's sums begin: without what the offset of the weights adds to them.
template <class Format>
struct Quantized {
  using Activation = typename Format::Activation;
  static constexpr int kBlock = Format::kBlock;
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
      const int32_t total = count == kBlock ? set_block(x + first, kBlock, step[place], out + first)
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
    step = std::max(largest(x, n), 1e-12f) / Format::kMax;
    const float magic = 12582912.0f, inverse = 1 / step;
    int32_t total = 0;
    for (int i = 0; i < n; ++i) {
      const int32_t q = static_cast<int32_t>((x[i] * inverse + magic) - magic);
      out[i] = static_cast<Activation>(q + Format::kShift), total += q;
    }
    return total;
  }
};

// A batch of rows, of which the first `coarse_rows` are coarse.
struct Activations {
  Quantized<Coarse> coarse;
  Quantized<Fine> fine;
  int rows = 0, coarse_rows = 0;

  void resize(int all, int of_them_coarse, int inputs) {
    rows = all, coarse_rows = of_them_coarse;
    coarse.resize(coarse_rows, inputs);
    fine.resize(rows - coarse_rows, inputs);
  }

  void set(int row, const float* x, int inputs) {
    if (row < coarse_rows) coarse.set(row, x, inputs);
    else fine.set(row - coarse_rows, x, inputs);
  }
};

// One weight matrix [outputs, inputs] in tiles, with what brings int32 sums back to floats.
struct Linear {
  int outputs = 0, inputs = 0, tiles = 0, lines = 0;
  const int8_t* weights = nullptr;
  std::vector<float> scale, bias;
  // Of the weights of each block of coarse rows, [tiles, blocks, kTile], where these are shifted; `coarse_fits` where the
  // weights are small enough for them.
  std::vector<int16_t> block_sums;
  bool coarse_fits = false;

  static int count_tiles(int outputs) { return (outputs + kTile - 1) / kTile; }
  static int count_lines(int inputs) { return (inputs + kLineInputs - 1) / kLineInputs; }
  static size_t bytes(int outputs, int inputs) {
    return count_tiles(outputs) * static_cast<size_t>(count_lines(inputs)) * kLineBytes;
  }

  // values [n, k], scale [n] and bias [n] or null; `place` has room for bytes(n, k). With `halves` a tile holds
  // kOutputs of the first half of the outputs and the same of the second; n is then a multiple of kTile.
  void pack(Threads& threads, const int8_t* values, const float* scales, const float* biases, int n, int k,
            bool halves, int8_t* place) {
    outputs = n, inputs = k, tiles = count_tiles(n), lines = count_lines(k);
    scale.assign(tiles * kTile, 0), bias = scale;
    weights = place;
    constexpr bool kAlsoCoarse = !std::is_same_v<Coarse, Fine>;
    const int blocks = kAlsoCoarse ? (k + Coarse::kBlock - 1) / Coarse::kBlock : 0;
    block_sums.assign(static_cast<size_t>(tiles) * blocks * kTile, 0);
    std::atomic<bool> fits = true;
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
        for (int block = 0; block < blocks; ++block) {
          const int first = block * Coarse::kBlock, end = std::min(k, first + Coarse::kBlock);
          block_sums[(tile * blocks + block) * kTile + i] = static_cast<int16_t>(std::accumulate(row + first, row + end, 0));
        }
        if (!Coarse::fits(row, k)) fits = false;
      }
    });
    coarse_fits = kAlsoCoarse && fits;
  }

  // Of kOutputs outputs.
  Sums block_sum(int tile, int blocks, int block, int part) const {
    int16_t values __attribute__((vector_size(2 * kOutputs)));
    std::memcpy(&values, &block_sums[(tile * blocks + block) * kTile + part * kOutputs], sizeof values);
    return __builtin_convertvector(values, Sums);
  }

  size_t tile_bytes() const { return static_cast<size_t>(lines) * kLineBytes; }
};

// The weights that a thread needs next, on their way from main memory while it computes others: the passes of several
// groups of rows over one tile fetch the next tile together, so memory never rests. Up to kFewRows rows wait for nothing
// but memory and want the first-level cache, more want the second.
constexpr int kFewRows = 2, kFewAhead = 8192;
struct Ahead {
  const int8_t *next, *end;

  Ahead(const Linear& w, int tile, bool few, int pass, int passes) {
    const size_t size = w.tile_bytes(), share = (size / passes + kLine - 1) / kLine * kLine;
    const int8_t* begin = w.weights + tile * size + (few ? kFewAhead : size);
    next = begin + pass * share, end = begin + std::min((pass + 1) * share, size);
  }

  // As much as a line takes.
  template <int kRows>
  void fetch() {
    constexpr int kHint = kRows <= kFewRows ? 3 : 2;
    for (int bytes = 0; bytes < kLineBytes; bytes += kLine) {
      __builtin_prefetch(next, 0, kHint);
      next = std::min(next + kLine, end);
    }
  }
};

// The weights of a tile in the order of a format; reordered ones last until the thread asks for others.
template <class Format>
const int8_t* tile_weights(const Linear& w, int tile) {
  const int8_t* weights = w.weights + tile * w.tile_bytes();
  if constexpr (Format::kReordered) {
    struct alignas(kLine) Line { int8_t bytes[kLineBytes]; };
    thread_local std::vector<Line> reordered;
    if (reordered.size() < static_cast<size_t>(w.lines)) reordered.resize(w.lines);
    for (int i = 0; i < w.lines; ++i) Format::reorder(weights + i * kLineBytes, reordered[i].bytes);
    return reordered[0].bytes;
  }
  return weights;
}

// The outputs of a tile for kRows rows, handed over row by row: emit(row, values of kTile).
template <class Format, int kRows, class Emit>
inline void compute_tile(const Linear& w, int tile, const int8_t* weights, const Quantized<Format>& x, int row, Ahead ahead, Emit&& emit) {
  const typename Format::Activation* line = &x.q[static_cast<size_t>(row) * x.stride];
  Floats totals[kRows][2] = {};
  const int blocks = Format::kOneBlock ? 1 : x.blocks;
  constexpr int kBlockLines = Format::kBlock / kLineInputs;
  for (int block = 0; block < blocks; ++block) {
    Sums sums[kRows][2];
    for (int p = 0; p < 2; ++p) {
      Sums start{};
      if constexpr (Format::kShift != 0) start = -Format::kShift * w.block_sum(tile, blocks, block, p);
      for (int r = 0; r < kRows; ++r) sums[r][p] = start + (kOffset ? x.start[(row + r) * blocks + block] : 0);
    }
    const int end = Format::kOneBlock ? w.lines : std::min(w.lines, (block + 1) * kBlockLines);
    for (int i = block * kBlockLines; i < end; ++i, weights += kLineBytes, line += kLineInputs) {
      ahead.fetch<kRows>();
      Format::template add_line<kRows>(sums, weights, line, x.stride);
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
    emit(row + r, values);
  }
}

// The rows that are left when whole passes are done.
template <class Format, int kRows, class Emit>
inline void last_rows(int rows, const Linear& w, int tile, const int8_t* weights, const Quantized<Format>& x, int row, Ahead ahead, Emit&& emit) {
  if (rows == kRows) return compute_tile<Format, kRows>(w, tile, weights, x, row, ahead, emit);
  if constexpr (kRows > 1) last_rows<Format, kRows - 1>(rows, w, tile, weights, x, row, ahead, emit);
}

// Rows whose activations stay in the second-level cache while the tiles of a task pass over them; more where a tile is
// to be reordered for them.
template <class Format>
int rows_at_once(const Quantized<Format>& x) {
  constexpr int kBytes = Format::kReordered ? 1 << 18 : 1 << 17;
  const int row_bytes = x.stride * sizeof(typename Format::Activation);
  return std::max(1, kBytes / row_bytes / Format::kPassRows) * Format::kPassRows;
}

// Calls emit(row, first output, values) for all rows and outputs; outputs beyond w.outputs are padding.
template <class Emit>
void multiply(Threads& threads, const Linear& w, const Activations& x, Emit&& emit) {
  // Enough weights per task to hide what a task costs, few enough that all threads end together.
  constexpr int kTaskBytes = 1 << 16;
  const int per_task = std::max(1, kTaskBytes / static_cast<int>(w.tile_bytes()));
  const int tasks = (w.tiles + per_task - 1) / per_task;
  const auto parts = [](int rows, int at_once) { return (rows + at_once - 1) / at_once; };
  const auto compute = [&]<class Format>(const Quantized<Format>& q, int rows, int part, int tile, int first_row) {
    constexpr int kPassRows = Format::kPassRows;
    const int first = part * rows_at_once(q), end = std::min(rows, first + rows_at_once(q));
    if (first >= end) return;
    const auto emit_tile = [&](int row, const float* values) { emit(first_row + row, tile * kTile, values); };
    const int8_t* weights = tile_weights<Format>(w, tile);
    const int passes = parts(end - first, kPassRows);
    for (int pass = 0; pass < passes; ++pass) {
      const int row = first + pass * kPassRows, left = end - row;
      const Ahead ahead(w, tile, !Format::kReordered && rows <= kFewRows, pass, passes);
      if (left >= kPassRows) compute_tile<Format, kPassRows>(w, tile, weights, q, row, ahead, emit_tile);
      else last_rows<Format, kPassRows - 1>(left, w, tile, weights, q, row, ahead, emit_tile);
    }
  };
  const int fine_rows = x.rows - x.coarse_rows;
  const int most_parts = std::max(parts(x.coarse_rows, rows_at_once(x.coarse)), parts(fine_rows, rows_at_once(x.fine)));
  threads.loop(tasks * most_parts, [&](int task) {
    const int part = task / tasks, first_tile = task % tasks * per_task;
    for (int tile = first_tile; tile < std::min(w.tiles, first_tile + per_task); ++tile) {
      compute(x.coarse, x.coarse_rows, part, tile, 0);
      compute(x.fine, fine_rows, part, tile, x.coarse_rows);
    }
  });
}

}  // namespace tandem
