// Tries to break Threads: thousands of small loops of odd sizes, one right behind the other, on several sets of
// threads that come and go. Says what went wrong; compiled and run by test_threads.py.

#include "threads.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

using tandem::Threads;

static void fail(const char* what, int threads, int tasks) {
  std::printf("%s: %d threads, %d tasks\n", what, threads, tasks);
  std::exit(1);
}

// Every task once, and what it wrote is seen by the caller: plain memory, so a thread sanitizer sees races too.
static void check_loop(Threads& threads, int tasks, std::vector<long>& sums, long salt) {
  sums.assign(tasks, 0);
  threads.loop(tasks, [&](int task) {
    for (int i = 0; i < (task % 5 == 3 ? 2000 : 0); ++i) asm volatile("");  // some end long after the others
    sums[task] += salt * task + 1;
  });
  for (int task = 0; task < tasks; ++task)
    if (sums[task] != salt * task + 1) fail("a task ran never or twice", threads.count(), tasks);
}

static void many_loops(int count, int rounds) {
  Threads threads(count);
  std::vector<long> sums;
  for (int round = 0; round < rounds; ++round)
    for (int tasks : {0, 1, 2, 3, 5, 7, count, count + 1, 31, 64, 97}) check_loop(threads, tasks, sums, round);
  check_loop(threads, 100003, sums, 3);
}

// Loops with a rest between them, in which the threads fall asleep.
static void sleepers(int count) {
  Threads threads(count);
  std::vector<long> sums;
  for (int round = 0; round < 30; ++round) {
    usleep(500);
    check_loop(threads, 13, sums, round);
  }
}

// A child of fork has only the thread that forked: its loops end nevertheless.
static void forked(int count) {
  Threads threads(count);
  std::vector<long> sums;
  check_loop(threads, 50, sums, 1);
  const pid_t child = fork();
  if (child == 0) {
    for (int round = 0; round < 100; ++round) check_loop(threads, 41, sums, round);
    _exit(0);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child || status != 0) fail("a forked process failed", count, 41);
  check_loop(threads, 50, sums, 2);
}

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 2000;
  for (int count = 1; count <= 4; ++count) {
    many_loops(count, rounds);
    sleepers(count);
    forked(count);
    for (int i = 0; i < 200; ++i) {
      Threads threads(count);
      std::vector<long> sums;
      if (i % 2) check_loop(threads, 9, sums, i);
    }
  }
  std::printf("right\n");
}
