#pragma once

#include <string>

#include "common/async/io_runtime.h"
#include "common/model_card/model_card.h"
#include "common/rpc/channel_pool.h"
#include "tests/fakes/fake_shard_group.h"
#include "triptych/internal/v1/cluster.pb.h"

namespace triptych::cluster_test {

// What all workers of a test share.
struct Surroundings {
  IoRuntime* runtime = nullptr;
  ChannelPool* channels = nullptr;
  const ModelCard* card = nullptr;
  std::string coordinator;               // its address
  internal::v1::ModelIdentity identity;
  fakes::FakeShardGroup::Script script;  // of all decoders; may be empty
};

}  // namespace triptych::cluster_test
