// The forward pass of bot/engine/decoder.py for int8 weights, as one call per batch.
//
// Compiled for this CPU by bot/engine/native.py, which also says what the functions at the end mean.

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <vector>

#include "attention.h"
#include "linear.h"
#include "threads.h"
#include "vector.h"

namespace tandem {

struct Shape {
  int32_t layers, hidden, query_heads, kv_heads, head_dim, intermediate, vocabulary, threads;
  float epsilon;
};

struct Layer {
  Linear qkv, out, gate_up, down;
  std::vector<float> attention_norm, mlp_norm, query_norm, key_norm;
};

inline void rms_norm(const float* x, const float* weight, int n, float epsilon, float* out) {
  Vec squares{};
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) { const Vec v = load(x + i); squares += v * v; }
  float total = sum(squares);
  for (; i < n; ++i) total += x[i] * x[i];
  const float scale = 1 / std::sqrt(total / n + epsilon);
  for (i = 0; i < n; ++i) out[i] = x[i] * scale * (weight ? weight[i] : 1);
}

// Rotary position embedding in halves; cosine and sine are those of the row's position, [dim / 2].
inline void rotate(float* x, const float* cosine, const float* sine, int dim) {
  for (int i = 0; i < dim / 2; ++i) {
    const float first = x[i], second = x[i + dim / 2];
    x[i] = first * cosine[i] - second * sine[i];
    x[i + dim / 2] = second * cosine[i] + first * sine[i];
  }
}

// The network of a draft, with the memory of its matrices.
struct Successor {
  Linear inner, outer, head;
  std::vector<int8_t> memory[3];

  void set(Threads& threads, int kind, const int8_t* values, const float* scale, const float* bias, int outputs, int inputs) {
    Linear* all[] = {&inner, &outer, &head};
    memory[kind].resize(Linear::bytes(outputs, inputs));
    all[kind]->pack(threads, values, scale, bias, outputs, inputs, false, memory[kind].data());
  }
};
constexpr float kSuccessorEpsilon = 1e-6f;

// The place of the largest of all values but the last, and its probability among all of them.
inline void likeliest(const float* logits, int n, int64_t& place, float& chance) {
  place = std::max_element(logits, logits + n - 1) - logits;
  const float highest = logits[place];
  Vec totals{};
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) totals += exp(load(logits + i) - highest);
  float total = sum(totals);
  for (; i < n; ++i) total += std::exp(logits[i] - highest);
  chance = 1 / total;
}

class Decoder {
 public:
  Decoder(const Shape& shape, size_t weight_bytes)
      : shape_(shape),
        heads_{shape.query_heads, shape.kv_heads, shape.head_dim},
        threads_(shape.threads),
        layers_(shape.layers) {
    // One region for all weights, in huge pages where the system has them: fewer misses, faster reading.
    size_ = (weight_bytes + (2 << 20)) & ~static_cast<size_t>((2 << 20) - 1);
    void* region = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (region == MAP_FAILED) return;
#if defined(MADV_HUGEPAGE)
    madvise(region, size_, MADV_HUGEPAGE);
#endif
    region_ = place_ = static_cast<int8_t*>(region);
  }
  ~Decoder() {
    if (region_) munmap(region_, size_);
  }
  Threads& threads() { return threads_; }
  bool usable() const { return region_ != nullptr; }

  Linear* linear(int layer, int kind) {
    if (kind == 4) return &head_;
    Layer& l = layers_[layer];
    Linear* all[] = {&l.qkv, &l.out, &l.gate_up, &l.down};
    return all[kind];
  }
  // Fills the matrix; false where there is no room for it.
  bool set_linear(int layer, int kind, const int8_t* values, const float* scale, const float* bias, int outputs, int inputs) {
    int8_t* place = take(Linear::bytes(outputs, inputs));
    if (!place) return false;
    Linear& matrix = *linear(layer, kind);
    matrix.pack(threads_, values, scale, bias, outputs, inputs, kind == 2, place);
    coarse_fits_ &= kind == 4 || matrix.coarse_fits;
    return true;
  }
  std::vector<float>* norm(int layer, int kind) {
    Layer& l = layers_[layer];
    std::vector<float>* all[] = {&l.attention_norm, &l.mlp_norm, &l.query_norm, &l.key_norm};
    return all[kind];
  }
  int8_t* take(size_t bytes) {
    int8_t* place = place_;
    place_ += (bytes + 63) & ~static_cast<size_t>(63);
    return place_ <= region_ + size_ ? place : nullptr;
  }

  // The networks of drafts; returns the number of a new one.
  int add_successor() {
    successors_.emplace_back();
    return static_cast<int>(successors_.size()) - 1;
  }
  Successor& successor(int number) { return successors_[number]; }

  // One step of bot/engine/successor.py: states [rows, hidden] become the next ones.
  void succeed(const Successor& network, float* states, const float* embeddings, int rows, int64_t* places,
               float* chances) {
    const int hidden = shape_.hidden, rank = network.inner.outputs, outputs = network.head.outputs;
    grow(both_, static_cast<size_t>(rows) * 2 * hidden);
    grow(inside_, static_cast<size_t>(rows) * rank);
    grow(logits_, static_cast<size_t>(rows) * outputs);
    each_row(rows, 2 * hidden, [&](int row) {
      const size_t first = static_cast<size_t>(row) * hidden;
      rms_norm(states + first, nullptr, hidden, kSuccessorEpsilon, &both_[2 * first]);
      rms_norm(embeddings + first, nullptr, hidden, kSuccessorEpsilon, &both_[2 * first + hidden]);
    });
    quantize(both_.data(), rows, 2 * hidden);
    multiply_into(network.inner, inside_.data());
    for (int i = 0; i < rows * rank; ++i) inside_[i] /= 1 + std::exp(-inside_[i]);
    quantize(inside_.data(), rows, rank);
    multiply_onto(network.outer, states);
    quantize(states, rows, hidden);
    multiply_into(network.head, logits_.data());
    each_row(rows, outputs, [&](int row) {
      likeliest(&logits_[static_cast<size_t>(row) * outputs], outputs, places[row], chances[row]);
    });
  }

  // The layers from `first` up to `end`, at least one, over x [rows, hidden], which is changed; the first `coarse_rows`
  // may be computed less exactly. Cosine and sine are [rows, head_dim / 2]. At the end the rows that are `needed`, in
  // ascending order, are the first ones of x; of others the last layer computes keys and values only.
  void pass(int first, int end, float* x, int rows, int coarse_rows, const float* cosine, const float* sine,
            const Span* spans, int span_count, const int32_t* needed, int needed_count) {
    spans_.assign(spans, spans + span_count);
    prepare(rows);
    coarse_rows_ = coarse_fits_ ? coarse_rows : 0;
    plan_attention(all_rows_.data(), rows);
    for (int index = first; index < end; ++index) {
      Layer& layer = layers_[index];
      const bool last = index == end - 1;
      attention_inputs(layer, index, x, rows, cosine, sine);
      if (last) plan_attention(needed, needed_count);
      attention(index);
      if (last) rows = keep(needed, needed_count, x);
      if (rows > 0) after_attention(layer, x, rows);
    }
    coarse_rows_ = 0;
  }

  // states [rows, hidden] are the rows of x, normed without weights.
  void states(const float* x, int rows, float* states) {
    for (int row = 0; row < rows; ++row, x += shape_.hidden, states += shape_.hidden)
      rms_norm(x, nullptr, shape_.hidden, shape_.epsilon, states);
  }

  // logits [rows, vocabulary] of states [rows, hidden].
  void logits(const float* states, int rows, float* out) {
    quantize(states, rows, shape_.hidden);
    multiply_into(head_, out);
  }

 private:
  // Rows that one attention task takes: they share the conversion of the keys.
  static constexpr int kTaskRows = 8;
  struct Task { int span, kv_head, first, end; };

  int width() const { return heads_.query * heads_.dim; }
  int qkv_width() const { return (heads_.query + 2 * heads_.kv) * heads_.dim; }

  void attention_inputs(Layer& layer, int index, const float* x, int rows, const float* cosine, const float* sine) {
    quantize_normed(x, layer.attention_norm, rows);
    multiply_into(layer.qkv, qkv_.data());
    each_row(rows, qkv_width(), [&](int row) { place_heads(row, index, layer, cosine, sine); });
  }

  void attention(int index) {
    threads_.loop(static_cast<int>(tasks_.size()), [&](int i) {
      const Task& task = tasks_[i];
      attend(spans_[task.span], index, heads_, task.kv_head, task.first, task.end, query_.data(), attended_.data());
    });
  }

  // Only these rows of the residual stream and of what attention made go on; returns how many they are.
  int keep(const int32_t* needed, int count, float* x) {
    const auto move = [&](float* all, int width, int row, int place) {
      if (row != place) std::copy_n(all + static_cast<size_t>(row) * width, width, all + static_cast<size_t>(place) * width);
    };
    for (int i = 0; i < count; ++i) {
      move(x, shape_.hidden, needed[i], i);
      move(attended_.data(), width(), needed[i], i);
    }
    coarse_rows_ = static_cast<int>(std::lower_bound(needed, needed + count, coarse_rows_) - needed);
    return count;
  }

  void after_attention(Layer& layer, float* x, int rows) {
    quantize(attended_.data(), rows, width());
    multiply_onto(layer.out, x);
    quantize_normed(x, layer.mlp_norm, rows);
    multiply_gated(layer.gate_up);
    quantize(gated_.data(), rows, shape_.intermediate);
    multiply_onto(layer.down, x);
  }

  template <class Vector>
  static void grow(Vector& v, size_t n) {
    if (v.size() < n) v.resize(n);
  }

  void prepare(int rows) {
    grow(qkv_, static_cast<size_t>(rows) * qkv_width());
    grow(query_, static_cast<size_t>(rows) * width());
    grow(attended_, static_cast<size_t>(rows) * width());
    grow(gated_, static_cast<size_t>(rows) * shape_.intermediate);
    grow(span_of_, rows);
    grow(all_rows_, rows);
    std::iota(all_rows_.begin(), all_rows_.end(), 0);
    for (int s = 0; s < static_cast<int>(spans_.size()); ++s)
      std::fill_n(span_of_.begin() + spans_[s].first_row, spans_[s].rows, s);
  }

  // Tasks of adjacent rows of one span, for `count` rows in ascending order.
  void plan_attention(const int32_t* rows, int count) {
    tasks_.clear();
    for (int i = 0, n; i < count; i += n) {
      const int span = span_of_[rows[i]], first = rows[i] - spans_[span].first_row;
      for (n = 1; n < kTaskRows && i + n < count && rows[i + n] == rows[i] + n && span_of_[rows[i + n]] == span;) ++n;
      for (int kv_head = 0; kv_head < heads_.kv; ++kv_head) tasks_.push_back({span, kv_head, first, first + n});
    }
  }

  // A loop over rows, in tasks of about the same amount of work.
  template <class Body>
  void each_row(int rows, int width, Body&& body) {
    const int per_task = std::max(1, 8192 / width);
    threads_.loop((rows + per_task - 1) / per_task, [&](int task) {
      for (int row = task * per_task; row < std::min(rows, (task + 1) * per_task); ++row) body(row);
    });
  }

  void quantize(const float* x, int rows, int width) {
    quantized_.resize(rows, coarse_rows_, width);
    each_row(rows, width, [&](int row) { quantized_.set(row, x + static_cast<size_t>(row) * width, width); });
  }

  void quantize_normed(const float* x, const std::vector<float>& weight, int rows) {
    quantized_.resize(rows, coarse_rows_, shape_.hidden);
    each_row(rows, shape_.hidden, [&](int row) {
      thread_local std::vector<float> line;
      line.resize(shape_.hidden);
      rms_norm(x + static_cast<size_t>(row) * shape_.hidden, weight.data(), shape_.hidden, shape_.epsilon, line.data());
      quantized_.set(row, line.data(), shape_.hidden);
    });
  }

  // out [rows, w.outputs] = the product.
  void multiply_into(const Linear& w, float* out) {
    multiply(threads_, w, quantized_, [&](int row, int first, const float* values) {
      std::copy_n(values, std::min(kTile, w.outputs - first), out + static_cast<size_t>(row) * w.outputs + first);
    });
  }

  // x [rows, w.outputs] += the product.
  void multiply_onto(const Linear& w, float* x) {
    multiply(threads_, w, quantized_, [&](int row, int first, const float* values) {
      float* out = x + static_cast<size_t>(row) * w.outputs + first;
      for (int i = 0; i < std::min(kTile, w.outputs - first); ++i) out[i] += values[i];
    });
  }

  // gated_ [rows, intermediate] = silu(gate) · up; a tile holds outputs of both.
  void multiply_gated(const Linear& w) {
    multiply(threads_, w, quantized_, [&](int row, int first, const float* values) {
      float* out = &gated_[static_cast<size_t>(row) * shape_.intermediate + first / 2];
      static_assert(kOutputs % kLanes == 0);
      for (int i = 0; i < kOutputs; i += kLanes) {
        const Vec gate = load(values + i), up = load(values + kOutputs + i);
        store(out + i, gate / (exp(-gate) + 1.0f) * up);
      }
    });
  }

  // Norms and rotates the row's query and key, and stores key and value in its sequence's slot.
  void place_heads(int row, int index, Layer& layer, const float* cosine, const float* sine) {
    const Span& span = spans_[span_of_[row]];
    const int dim = heads_.dim;
    float* query = &qkv_[static_cast<size_t>(row) * qkv_width()];
    float* key = query + width();
    const float* value = key + heads_.kv * dim;
    const float scale = 1 / std::sqrt(static_cast<float>(dim));
    cosine += static_cast<size_t>(row) * (dim / 2), sine += static_cast<size_t>(row) * (dim / 2);
    for (int head = 0; head < heads_.query + heads_.kv; ++head) {
      const auto& norm = head < heads_.query ? layer.query_norm : layer.key_norm;
      float* x = query + head * dim;
      if (!norm.empty()) rms_norm(x, norm.data(), dim, shape_.epsilon, x);
      rotate(x, cosine, sine, dim);
    }
    for (int i = 0; i < width(); ++i) query_[static_cast<size_t>(row) * width() + i] = query[i] * scale;
    const size_t plane = static_cast<size_t>(span.capacity) * dim;
    Stored* place = span.kv + static_cast<size_t>(index) * 2 * heads_.kv * plane + static_cast<size_t>(span.start + row - span.first_row) * dim;
    for (int head = 0; head < heads_.kv; ++head) {
      to_stored(key + head * dim, place + head * plane, dim);
      to_stored(value + head * dim, place + (heads_.kv + head) * plane, dim);
    }
  }

  Shape shape_;
  Heads heads_;
  Threads threads_;
  std::vector<Layer> layers_;
  Linear head_;
  std::vector<Successor> successors_;
  std::vector<float> qkv_, query_, attended_, gated_, both_, inside_, logits_;
  std::vector<Span> spans_;
  std::vector<int> span_of_, all_rows_;
  std::vector<Task> tasks_;
  Activations quantized_;
  int coarse_rows_ = 0;
  bool coarse_fits_ = true;
  int8_t *region_ = nullptr, *place_ = nullptr;
  size_t size_ = 0;
};

// The `count` largest of `n` values, largest first; among equal ones the first comes first.
inline void top(const float* values, int n, int count, float* best, int32_t* places) {
  // The count-th largest maximum of a block is a bound that at least `count` values reach.
  constexpr int kBlock = 256;
  std::vector<float> maxima((n + kBlock - 1) / kBlock), sorted;
  for (size_t block = 0; block < maxima.size(); ++block) {
    const int end = std::min<int>(n, (block + 1) * kBlock);
    int i = block * kBlock;
    Vec highest = splat(-std::numeric_limits<float>::infinity());
    for (; i + kLanes <= end; i += kLanes) {
      const Vec v = load(values + i);
      highest = v > highest ? v : highest;
    }
    float maximum = -std::numeric_limits<float>::infinity();
    for (int lane = 0; lane < kLanes; ++lane) maximum = std::max(maximum, highest[lane]);
    for (; i < end; ++i) maximum = std::max(maximum, values[i]);
    maxima[block] = maximum;
  }
  float bound = -std::numeric_limits<float>::infinity();
  if (count <= static_cast<int>(maxima.size())) {
    sorted = maxima;
    std::nth_element(sorted.begin(), sorted.begin() + count - 1, sorted.end(), std::greater<float>());
    bound = sorted[count - 1];
  }
  std::vector<int32_t> found;
  for (size_t block = 0; block < maxima.size(); ++block)
    if (maxima[block] >= bound)
      for (int i = block * kBlock; i < std::min<int>(n, (block + 1) * kBlock); ++i)
        if (values[i] >= bound) found.push_back(i);
  const auto larger = [&](int32_t a, int32_t b) { return values[a] != values[b] ? values[a] > values[b] : a < b; };
  std::partial_sort(found.begin(), found.begin() + count, found.end(), larger);
  for (int i = 0; i < count; ++i) places[i] = found[i], best[i] = values[found[i]];
}

// bot/engine/rotation.py on one row, by the fast Walsh-Hadamard transform: a row's result does not depend on others.
inline void hadamard(float* x, int size, const float* signs, int block, bool back) {
  const float scale = 1 / std::sqrt(static_cast<float>(block));
  if (!back)
    for (int i = 0; i < size; ++i) x[i] *= signs[i];
  for (int half = 1; half < block; half *= 2)
    for (int first = 0; first < size; first += 2 * half)
      for (int i = first; i < first + half; ++i) {
        const float a = x[i], b = x[i + half];
        x[i] = a + b, x[i + half] = a - b;
      }
  for (int i = 0; i < size; ++i) x[i] *= back ? scale * signs[i] : scale;
}

}  // namespace tandem

using tandem::Decoder;
using tandem::Linear;

extern "C" {

const char* tandem_isa() { return TANDEM_ISA; }
int32_t tandem_stored_bytes() { return sizeof(tandem::Stored); }
int32_t tandem_tile() { return tandem::kTile; }
size_t tandem_linear_bytes(int32_t outputs, int32_t inputs) { return (Linear::bytes(outputs, inputs) + 63) / 64 * 64; }

Decoder* tandem_new(const tandem::Shape* shape, size_t weight_bytes) {
  auto* decoder = new Decoder(*shape, weight_bytes);
  if (decoder->usable()) return decoder;
  delete decoder;
  return nullptr;
}
void tandem_free(Decoder* decoder) { delete decoder; }

int32_t tandem_set_linear(Decoder* decoder, int32_t layer, int32_t kind, const int8_t* values, const float* scale,
                          const float* bias, int32_t outputs, int32_t inputs) {
  return decoder->set_linear(layer, kind, values, scale, bias, outputs, inputs) ? 0 : -1;
}
void tandem_set_norm(Decoder* decoder, int32_t layer, int32_t kind, const float* values, int32_t count) {
  decoder->norm(layer, kind)->assign(values, values + count);
}
void tandem_pass(Decoder* decoder, int32_t first, int32_t end, float* x, int32_t rows, int32_t coarse_rows,
                 const float* cosine, const float* sine, const tandem::Span* spans, int32_t span_count,
                 const int32_t* needed, int32_t needed_count) {
  decoder->pass(first, end, x, rows, coarse_rows, cosine, sine, spans, span_count, needed, needed_count);
}
void tandem_states(Decoder* decoder, const float* x, int32_t rows, float* states) { decoder->states(x, rows, states); }
void tandem_hadamard(float* x, int32_t rows, int32_t size, const float* signs, int32_t block, int32_t back) {
  for (int row = 0; row < rows; ++row) tandem::hadamard(x + static_cast<size_t>(row) * size, size, signs, block, back);
}
void tandem_logits(Decoder* decoder, const float* states, int32_t rows, float* out) {
  decoder->logits(states, rows, out);
}
int32_t tandem_add_successor(Decoder* decoder) { return decoder->add_successor(); }
int32_t tandem_set_successor(Decoder* decoder, int32_t number, int32_t kind, const int8_t* values, const float* scale,
                             const float* bias, int32_t outputs, int32_t inputs) {
  decoder->successor(number).set(decoder->threads(), kind, values, scale, bias, outputs, inputs);
  return 0;
}
void tandem_succeed(Decoder* decoder, int32_t number, float* states, const float* embeddings, int32_t rows,
                    int64_t* places, float* chances) {
  decoder->succeed(decoder->successor(number), states, embeddings, rows, places, chances);
}

void tandem_top(Decoder* decoder, const float* logits, int32_t width, const int32_t* rows, int32_t row_count,
                int32_t count, float* best, int32_t* places) {
  decoder->threads().loop(row_count, [&](int i) {
    tandem::top(logits + static_cast<size_t>(rows[i]) * width, width, count, best + i * count, places + i * count);
  });
}

}  // extern "C"
