// Threads: runs the tasks of one parallel loop after another on a fixed set of threads.
//
// Every thread begins with a range of its own, so that it reads weights from one place onwards, as memory likes it:
// threads that take turns in one range reach two thirds of the bandwidth. Whoever is done helps the others, so a thread
// that the system has put to sleep delays at most the task that it holds. Idle threads spin briefly and then sleep
// until the next loop.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tandem {

inline void relax() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

class Threads {
 public:
  explicit Threads(int count) : ranges_(std::max(count, 1)) {
    for (int i = 1; i < count; ++i) workers_.emplace_back([this, i] { work(i); });
  }

  ~Threads() {
    closing_ = true;
    generation_.fetch_add(1);
    generation_.notify_all();
    for (auto& worker : workers_) worker.join();
  }

  int count() const { return static_cast<int>(ranges_.size()); }

  // Calls body(0) … body(tasks - 1), in any order and on any thread, and returns when all of them have returned.
  template <class Body>
  void loop(int tasks, Body&& body) {
    if (workers_.empty() || tasks == 1) {
      for (int task = 0; task < tasks; ++task) body(task);
      return;
    }
    call_ = [](void* context, int task) { (*static_cast<std::remove_reference_t<Body>*>(context))(task); };
    context_ = &body;
    finished_.store(0, std::memory_order_relaxed);
    const uint32_t generation = generation_.load(std::memory_order_relaxed) + 1;
    for (int64_t i = 0; i < count(); ++i)
      ranges_[i].ticket.store(pack(generation, tasks * i / count(), tasks * (i + 1) / count()), std::memory_order_release);
    generation_.store(generation, std::memory_order_release);
    if (asleep_.load() > 0) generation_.notify_all();
    take_tasks(0);
    for (int spins = 0; finished_.load(std::memory_order_acquire) < tasks; ++spins) {
      if (spins < kSpins) relax(); else std::this_thread::yield();
    }
  }

 private:
  // About 100 microseconds: longer than any gap between two loops of one forward pass.
  static constexpr int kSpins = 4000;

  // A ticket holds generation, next task and end of a range together. So a thread that comes late takes a task of the
  // loop that runs now, or none; it can never mix two loops up.
  struct alignas(64) Range {
    std::atomic<uint64_t> ticket{0};
  };

  static uint64_t pack(uint32_t generation, int64_t next, int64_t end) {
    return (static_cast<uint64_t>(generation & 0xffff) << 48) | (static_cast<uint64_t>(end) << 24) | static_cast<uint64_t>(next);
  }

  void take_tasks(int own) {
    for (int i = 0; i < count(); ++i) take_range(ranges_[(own + i) % count()]);
  }

  void take_range(Range& range) {
    for (;;) {
      const uint64_t ticket = range.ticket.fetch_add(1, std::memory_order_acq_rel);
      const int end = static_cast<int>(ticket >> 24 & 0xffffff), task = static_cast<int>(ticket & 0xffffff);
      if (task >= end) return;
      call_(context_, task);
      finished_.fetch_add(1, std::memory_order_release);
    }
  }

  void work(int own) {
    uint32_t seen = 0;
    while (!closing_) {
      for (int spins = 0; generation_.load(std::memory_order_acquire) == seen && spins < kSpins; ++spins) relax();
      asleep_.fetch_add(1);
      generation_.wait(seen);
      asleep_.fetch_sub(1);
      seen = generation_.load(std::memory_order_acquire);
      take_tasks(own);
    }
  }

  std::vector<Range> ranges_;
  std::vector<std::thread> workers_;
  std::atomic<int> finished_{0}, asleep_{0};
  std::atomic<uint32_t> generation_{0};
  std::atomic<bool> closing_{false};
  void (*call_)(void*, int) = nullptr;
  void* context_ = nullptr;
};

}  // namespace tandem
