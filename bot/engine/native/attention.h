// Attention of the rows of a ragged batch, each over the keys and values of its own sequence.
//
// Keys and values are stored in 16 bits where the CPU converts them quickly. A row looks at its keys in blocks that
// begin at key 0 and keeps a running maximum (Milakov and Gimelshein 2018), so its result depends on nothing but its own past.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
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

// Keys of a block.
constexpr int kKeys = 32;
// Queries that share what is loaded of a block: as many as the registers hold sums for.
constexpr int kQueries = kLanes / 4;
// Queries that take a step together, so that nothing waits for the maximum and the exponentials of one.
constexpr int kTogether = kLanes;

// The running softmax of one query: `out` is the sum of values weighted with e^(score - highest).
struct Running {
  float highest = -std::numeric_limits<float>::infinity(), total = 0;
};

typedef float Eight __attribute__((vector_size(32)));

// The numbers of both in this order; those of `b` are counted from 8. Before version 12 gcc does not know clang's name.
template <int... kOrder>
inline Eight pick(Eight a, Eight b) {
#if defined(__clang__)
  return __builtin_shufflevector(a, b, kOrder...);
#else
  typedef int32_t Order __attribute__((vector_size(32)));
  return __builtin_shuffle(a, b, Order{kOrder...});
#endif
}

// out[i · kKeys + j] = what is at row j and column i of eight rows.
inline void transpose8(const Stored* const* rows, float* out) {
  Eight r[8], pairs[8], fours[8];
  for (int j = 0; j < 8; ++j) {
    float row[8];
    to_float(rows[j], row, 8);
    std::memcpy(&r[j], row, sizeof row);
  }
  for (int j = 0; j < 8; j += 2) {
    pairs[j] = pick<0, 8, 1, 9, 4, 12, 5, 13>(r[j], r[j + 1]);
    pairs[j + 1] = pick<2, 10, 3, 11, 6, 14, 7, 15>(r[j], r[j + 1]);
  }
  for (int j = 0; j < 8; j += 4)
    for (int k = 0; k < 2; ++k) {
      fours[j + 2 * k] = pick<0, 1, 8, 9, 4, 5, 12, 13>(pairs[j + k], pairs[j + k + 2]);
      fours[j + 2 * k + 1] = pick<2, 3, 10, 11, 6, 7, 14, 15>(pairs[j + k], pairs[j + k + 2]);
    }
  for (int i = 0; i < 4; ++i) {
    const Eight column = pick<0, 1, 2, 3, 8, 9, 10, 11>(fours[i], fours[i + 4]);
    const Eight later = pick<4, 5, 6, 7, 12, 13, 14, 15>(fours[i], fours[i + 4]);
    std::memcpy(out + i * kKeys, &column, sizeof column);
    std::memcpy(out + (i + 4) * kKeys, &later, sizeof later);
  }
}

// The first `count` keys from `first` on, [dim, kKeys]: a query meets many keys at once, and nothing is to be added up
// across a vector.
inline void transpose(const Stored* first, int count, int dim, float* out) {
  for (int key = 0; key < count; key += 8) {
    const Stored* rows[8];
    for (int j = 0; j < 8; ++j) rows[j] = first + static_cast<size_t>(std::min(key + j, count - 1)) * dim;
    for (int i = 0; i < dim; i += 8) {
      transpose8(rows, out + i * kKeys + key);
      for (int j = 0; j < 8; ++j) rows[j] += 8;
    }
  }
}

// scores[q, key] = query q · key, of queries `dim` from one another, for all keys of a block.
template <int kCount>
inline void score(const float* queries, const float* keys, int dim, float (*scores)[kKeys]) {
  constexpr int kParts = kKeys / kLanes;
  Vec sums[kCount][kParts] = {};
  for (int i = 0; i < dim; ++i, keys += kKeys)
    for (int p = 0; p < kParts; ++p) {
      const Vec part = load_once(keys + p * kLanes);
      for (int q = 0; q < kCount; ++q) sums[q][p] += queries[q * dim + i] * part;
    }
  for (int q = 0; q < kCount; ++q)
    for (int p = 0; p < kParts; ++p) store(scores[q] + p * kLanes, sums[q][p]);
}

// The first `count` scores of each query become weights, and the rest 0; what was summed before fades by `fade`.
inline void soften(float (*scores)[kKeys], int queries, int count, Running* states, float* fade) {
  float before[kTogether] = {}, highest[kTogether] = {};
  for (int q = 0; q < queries; ++q) {
    for (int key = count; key < kKeys; ++key) scores[q][key] = -1e30f;
    Vec highs = load(scores[q]);
    for (int key = kLanes; key < kKeys; key += kLanes) {
      const Vec v = load(scores[q] + key);
      highs = v > highs ? v : highs;
    }
    before[q] = states[q].highest;
    highest[q] = states[q].highest = std::max(before[q], largest(highs));
  }
  store(fade, exp(load(before) - load(highest)));
  for (int q = 0; q < queries; ++q) {
    Vec total{};
    for (int key = 0; key < kKeys; key += kLanes) {
      const Vec v = load(scores[q] + key), weights = v > -1e29f ? exp(v - highest[q]) : Vec{};
      store(scores[q] + key, weights);
      total += weights;
    }
    states[q].total = states[q].total * fade[q] + sum(total);
  }
}

// out[q] = out[q] · fade[q] + Σ weights[q, key] · values[key], for kParts vectors of each ([kKeys, dim]).
template <int kCount, int kParts>
inline void weigh(const float (*weights)[kKeys], const float* values, int count, int dim, const float* fade, float* out) {
  Vec sums[kCount][kParts];
  for (int q = 0; q < kCount; ++q)
    for (int p = 0; p < kParts; ++p) sums[q][p] = load(out + q * dim + p * kLanes) * fade[q];
  for (int key = 0; key < count; ++key, values += dim)
    for (int p = 0; p < kParts; ++p) {
      const Vec part = load_once(values + p * kLanes);
      for (int q = 0; q < kCount; ++q) sums[q][p] += weights[q][key] * part;
    }
  for (int q = 0; q < kCount; ++q)
    for (int p = 0; p < kParts; ++p) store(out + q * dim + p * kLanes, sums[q][p]);
}

template <int kCount>
inline void weigh(const float (*weights)[kKeys], const float* values, int count, int dim, const float* fade, float* out) {
  int i = 0;
  for (; i + 4 * kLanes <= dim; i += 4 * kLanes) weigh<kCount, 4>(weights, values + i, count, dim, fade, out + i);
  for (; i < dim; i += kLanes) weigh<kCount, 1>(weights, values + i, count, dim, fade, out + i);
}

// A block of converted keys and values, of which `count` count, into the running softmax of up to kTogether queries.
inline void attend_block(const float* queries, int n, const float* keys, const float* values, int count, int dim,
                         Running* states, float* out) {
  alignas(64) float scores[kTogether][kKeys], fade[kTogether];
  const int shared = n / kQueries * kQueries;
  for (int q = 0; q < shared; q += kQueries) score<kQueries>(queries + q * dim, keys, dim, scores + q);
  for (int q = shared; q < n; ++q) score<1>(queries + q * dim, keys, dim, scores + q);
  soften(scores, n, count, states, fade);
  for (int q = 0; q < shared; q += kQueries) weigh<kQueries>(scores + q, values, count, dim, fade + q, out + q * dim);
  for (int q = shared; q < n; ++q) weigh<1>(scores + q, values, count, dim, fade + q, out + q * dim);
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
      }
      transpose(keys + static_cast<size_t>(place) * dim, count, dim, block_keys);
      to_float(values + static_cast<size_t>(place) * dim, block_values, count * dim);
      for (int row = first; row < end; ++row) {
        const int last = own ? span.start + row : to - 1;
        const int seen = std::min(count, last - place + 1);
        if (seen <= 0) continue;
        for (int g = 0; g < group; g += kTogether)
          attend_block(query + row_of(row, g), std::min(kTogether, group - g), block_keys, block_values, seen, dim,
                       &running[static_cast<size_t>(row - first) * group + g], out + row_of(row, g));
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
