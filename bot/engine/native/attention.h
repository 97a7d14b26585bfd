// Attention of the rows of a ragged batch, each over the keys and values of its own sequence.
//
// Keys and values are stored in 16 bits where the CPU converts them quickly. A row looks at its keys in blocks that
// begin at key 0 and keeps a running maximum (Milakov and Gimelshein 2018), so its result depends on nothing but its own past.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "threads.h"
#include "vector.h"

namespace tandem {

#if defined(__F16C__)
using Stored = uint16_t;
inline void to_float(const Stored* in, float* out, int n) {
  int i = 0;
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i))));
  for (; i < n; ++i) out[i] = _cvtsh_ss(in[i]);
}
inline void to_stored(const float* in, Stored* out, int n) {
  int i = 0;
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT));
  for (; i < n; ++i) out[i] = _cvtss_sh(in[i], _MM_FROUND_TO_NEAREST_INT);
}
#elif defined(__aarch64__)
using Stored = __fp16;
inline void to_float(const Stored* in, float* out, int n) { for (int i = 0; i < n; ++i) out[i] = in[i]; }
inline void to_stored(const float* in, Stored* out, int n) { for (int i = 0; i < n; ++i) out[i] = static_cast<Stored>(in[i]); }
#else
using Stored = float;
inline void to_float(const Stored* in, float* out, int n) { std::copy(in, in + n, out); }
inline void to_stored(const float* in, Stored* out, int n) { std::copy(in, in + n, out); }
#endif

// Adjacent rows of one sequence; see Span in decoder.py. `kv` is the slot's data, [layers, 2, kv_heads, capacity, dim].
struct Span {
  int32_t first_row, rows, start, context, capacity;
  Stored* kv;
};

struct Heads {
  int query, kv, dim;
  int group() const { return query / kv; }
};

constexpr int kKeys = 32;

// The running softmax of one query: `out` is the sum of values weighted with e^(score - highest).
struct Running {
  float highest = -std::numeric_limits<float>::infinity(), total = 0;
};

// scores[key] = query · key for all keys of a block, [dim / kLanes, kKeys, kLanes].
inline void score(const float* query, const float* keys, int dim, float* scores) {
  for (int key = 0; key < kKeys; key += 8) {
    const float* k = keys + key * kLanes;
    Vec sums[8] = {};
    for (int i = 0; i < dim; i += kLanes, k += kKeys * kLanes) {
      const Vec q = load(query + i);
      for (int j = 0; j < 8; ++j) sums[j] += q * load(k + j * kLanes);
    }
    sum8(sums, scores + key);
  }
}

// out = out · fade + Σ weights[key] · values[key], for kParts vectors of each ([kKeys, dim]).
template <int kParts>
inline void weigh(const float* weights, const float* values, int count, int dim, float fade, float* out) {
  Vec sums[kParts];
  for (int p = 0; p < kParts; ++p) sums[p] = load(out + p * kLanes) * fade;
  for (int key = 0; key < count; ++key, values += dim)
    for (int p = 0; p < kParts; ++p) sums[p] += weights[key] * load(values + p * kLanes);
  for (int p = 0; p < kParts; ++p) store(out + p * kLanes, sums[p]);
}

// A block of converted keys and values, of which `count` count, into one query's running softmax.
inline void attend_block(const float* query, const float* keys, const float* values, int count, int dim,
                         Running& state, float* out) {
  alignas(64) float scores[kKeys];
  score(query, keys, dim, scores);
  for (int key = count; key < kKeys; ++key) scores[key] = -1e30f;
  Vec highs = load(scores);
  for (int key = kLanes; key < kKeys; key += kLanes) {
    const Vec v = load(scores + key);
    highs = v > highs ? v : highs;
  }
  const float highest = std::max(state.highest, largest(highs));
  const float fade = state.total > 0 ? exp(splat(state.highest - highest))[0] : 0;
  Vec total{};
  for (int key = 0; key < kKeys; key += kLanes) {
    const Vec v = load(scores + key), weights = v > -1e29f ? exp(v - highest) : Vec{};
    store(scores + key, weights);
    total += weights;
  }
  state.total = state.total * fade + sum(total);
  state.highest = highest;
  int i = 0;
  for (; i + 8 * kLanes <= dim; i += 8 * kLanes) weigh<8>(scores, values + i, count, dim, fade, out + i);
  for (; i + 4 * kLanes <= dim; i += 4 * kLanes) weigh<4>(scores, values + i, count, dim, fade, out + i);
  for (; i < dim; i += kLanes) weigh<1>(scores, values + i, count, dim, fade, out + i);
}

// One task: some rows of a span, all heads of one group. query and out are [rows, heads.query, dim] of the batch.
inline void attend(const Span& span, int layer, const Heads& heads, int kv_head, int first, int end,
                   const float* query, float* out) {
  const int dim = heads.dim, group = heads.group();
  const size_t plane = static_cast<size_t>(span.capacity) * dim;
  const Stored* keys = span.kv + (static_cast<size_t>(layer) * 2 * heads.kv + kv_head) * plane;
  const Stored* values = keys + heads.kv * plane;
  std::vector<Running> running(static_cast<size_t>(end - first) * group);
  alignas(64) float block_keys[kKeys * 256], block_values[kKeys * 256];
  const auto row_of = [&](int row, int g) { return (static_cast<size_t>(span.first_row + row) * heads.query + kv_head * group + g) * dim; };
  for (int row = first; row < end; ++row)
    for (int g = 0; g < group; ++g) std::fill_n(out + row_of(row, g), dim, 0.0f);
  // Two ranges of places in the slot, which are one where the span continues its context.
  const auto pass = [&](int from, int to, bool own) {
    for (int place = from; place < to; place += kKeys) {
      const int count = std::min(kKeys, to - place);
      for (int key = 0; key < count; ++key) {
        for (int i = 0; i < dim; i += 32) {
          __builtin_prefetch(keys + static_cast<size_t>(place + key + kKeys) * dim + i);
          __builtin_prefetch(values + static_cast<size_t>(place + key + kKeys) * dim + i);
        }
        for (int i = 0; i < dim; i += kLanes)
          to_float(keys + static_cast<size_t>(place + key) * dim + i, block_keys + (i * kKeys + key * kLanes), kLanes);
      }
      to_float(values + static_cast<size_t>(place) * dim, block_values, count * dim);
      for (int row = first; row < end; ++row) {
        const int last = own ? span.start + row : to - 1;
        const int seen = std::min(count, last - place + 1);
        if (seen <= 0) continue;
        for (int g = 0; g < group; ++g)
          attend_block(query + row_of(row, g), block_keys, block_values, seen, dim,
                       running[static_cast<size_t>(row - first) * group + g], out + row_of(row, g));
      }
    }
  };
  if (span.context == span.start) {
    pass(0, span.start + end, true);
  } else {
    pass(0, span.context, false);
    pass(span.start, span.start + end, true);
  }
  for (int row = first; row < end; ++row)
    for (int g = 0; g < group; ++g) {
      const float scale = 1 / running[static_cast<size_t>(row - first) * group + g].total;
      for (int i = 0; i < dim; ++i) out[row_of(row, g) + i] *= scale;
    }
}

}  // namespace tandem
