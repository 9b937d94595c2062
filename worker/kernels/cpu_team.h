#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace triptych::kernels {

// The threads of one rank's CPU slice. Kernels split work over the team bound to the calling thread; without one they run alone. Results
// never hang on the team's size. Not reentrant.
class CpuTeam {
 public:
  explicit CpuTeam(int num_threads);  // counts the calling thread: 1 makes no threads
  ~CpuTeam();
  int size() const;
  // Runs body(begin, end) over [0, n) in pieces of at least `grain`; returns when all are done.
  void ParallelFor(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& body);

  // Makes `team` the calling thread's for the scope's life.
  class Scope {
   public:
    explicit Scope(CpuTeam* team);
    ~Scope();

   private:
    CpuTeam* previous_;
  };

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Over the calling thread's team, or alone.
void ParallelFor(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& body);

}  // namespace triptych::kernels
