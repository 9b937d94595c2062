#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>
#include <hwy/targets.h>

#include "gtest/gtest.h"
#include "worker/kernels/cpu_team.h"

namespace triptych::fakes {

// Runs `body` under every target this machine has, and with several team sizes; gives all results.
template <typename Body>
std::vector<at::Tensor> EveryWay(Body body) {
  std::vector<at::Tensor> results;
  for (const uint32_t target : {uint32_t{HWY_AVX2}, uint32_t{HWY_AVX3}}) {
    if ((hwy::SupportedTargets() & target) == 0) continue;
    hwy::SetSupportedTargetsForTest(target);
    for (const int threads : {1, 3}) {
      kernels::CpuTeam team(threads);
      kernels::CpuTeam::Scope scope(&team);
      results.push_back(body());
    }
    hwy::SetSupportedTargetsForTest(0);
  }
  return results;
}

inline void ExpectAllEqual(const std::vector<at::Tensor>& results) {
  ASSERT_FALSE(results.empty());
  for (const at::Tensor& result : results) EXPECT_TRUE(at::equal(result, results.front()));
}

}  // namespace triptych::fakes
