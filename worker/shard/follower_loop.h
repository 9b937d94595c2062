#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string_view>
#include <thread>

#include "common/status.h"
#include "worker/shard/rank_group.h"

namespace triptych::shard {

// The follower's side of a group over several processes: runs the leader's plans on the ranks here.
// Start(), OnPlan() from one thread at a time, Fail() from any; Stop() is idempotent. Failed or
// stopped is final: the process exits and is started anew.
class FollowerLoop {
 public:
  // Called on the loop's thread; must not block.
  struct Events {
    std::function<void(uint64_t step)> on_step_done;
    std::function<void(const Status& why)> on_failed;  // the last call; also after Stop()
  };

  // `clock` outlives the loop.
  FollowerLoop(RankGroupOptions options, const RankParts& parts, Events events, const Clock* clock);
  ~FollowerLoop();

  Status Start();  // returns when all ranks everywhere have loaded
  engine::ShardGroup::State state() const { return local_.state(); }
  // A plan as it came from the leader, not trusted: one that does not decode, is out of order or
  // bounds, or comes while too many wait, fails the group.
  void OnPlan(std::string_view bytes);
  void Fail(const Status& why);  // the leader is gone
  void Stop();

 private:
  void Run();

  RankGroup local_;
  const Events events_;
  uint64_t next_step_ = 0;  // at least; plans come in order
  std::once_flag stopped_;
  std::thread thread_;
};

}  // namespace triptych::shard
