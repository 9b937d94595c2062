#pragma once

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cluster/await.h"
#include "tests/cluster/local_cluster.h"

namespace triptych::cluster_test {

// A test over a cluster, after which nothing may be left.
class ClusterTest : public testing::Test {
 protected:
  explicit ClusterTest(LocalCluster::Options options = {}) : cluster_(std::move(options)) {}
  void TearDown() override { cluster_.ExpectNothingLeft(); }

  LocalCluster cluster_;
};

}  // namespace triptych::cluster_test
