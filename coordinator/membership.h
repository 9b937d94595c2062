#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/limits.h"
#include "common/status.h"
#include "triptych/internal/v1/cluster.pb.h"

namespace triptych::coordinator {

struct MembershipOptions {
  Duration lease_ttl = kLeaseTtl;
  Duration step_stall = kStepStall;
};

// Who is in the cluster, in what state: leases, incarnations, shard groups, and the versioned view that routers watch. Holds nothing
// that workers do not tell again when they join again. Pure bookkeeping over an injected clock; thread-safe. `Send` and `on_change`
// are called without the lock.
class Membership {
 public:
  using SessionId = uint64_t;  // one Join stream
  using Send = std::function<void(internal::v1::WorkerCommand)>;

  Membership(MembershipOptions options, const Clock* clock, uint64_t incarnation, std::function<void()> on_change);

  // A worker's first message. The same worker under a new incarnation fences the old one. kAborted: this incarnation has been fenced
  // or its lease ran out, it must start anew. kFailedPrecondition: its ranks are held by another worker.
  StatusOr<SessionId> Join(const internal::v1::Register& registration, Send send);
  // Renews the lease. kAborted when the session is no longer the worker's.
  Status Beat(SessionId session, const internal::v1::Heartbeat& heartbeat);
  void Leave(SessionId session);  // its stream ended; the lease still runs
  void Tick();                    // what time alone changes
  // Gives the incarnation that was told to drain. kNotFound, kUnavailable.
  StatusOr<uint64_t> Drain(const std::string& worker_id, std::chrono::milliseconds deadline);

  // What changed after `version`; a full view for 0, for versions of another coordinator, and where history is too short.
  internal::v1::ClusterUpdate UpdateSince(uint64_t version) const;
  uint64_t version() const;
  bool HasGroup(const std::string& group_id) const;  // some member is in it
  std::map<std::pair<internal::v1::WorkerRole, internal::v1::WorkerState>, int> CountByState() const;
  uint64_t leases_expired() const;

 private:
  struct Member {
    internal::v1::Register registration;
    internal::v1::Heartbeat report;       // the latest
    internal::v1::WorkerState state = internal::v1::WORKER_STATE_STARTING;
    std::string reason;
    std::string verdict;                  // not empty: suspect for good
    SessionId session = 0;                // 0: no stream
    Send send;
    TimePoint lease_end;
    TimePoint progress_at;
    uint64_t changed = 0;                 // version
  };
  using Outbox = std::vector<std::pair<Send, internal::v1::WorkerCommand>>;

  // All with the lock held.
  Status CheckRanks(const internal::v1::Register& registration) const;
  void FormGroup(const std::string& group, Outbox& outbox);
  void BreakGroup(const std::string& group_id, Outbox& outbox);
  void Remove(const std::string& worker_id, Outbox& outbox);
  void Judge(Member& member, TimePoint now);
  void Touch(Member& member) { member.changed = ++version_; }
  Member* OfSession(SessionId session);
  void Deliver(Outbox outbox, bool changed);  // without the lock

  const MembershipOptions options_;
  const Clock* const clock_;
  const uint64_t incarnation_;
  const std::function<void()> on_change_;
  mutable std::mutex mutex_;
  std::map<std::string, Member> members_;                    // guarded by mutex_, as all below
  std::deque<std::pair<uint64_t, std::string>> removed_;     // by version, the latest kMaxHistory
  uint64_t history_begin_ = 0;                               // removals after this version are in removed_
  std::deque<uint64_t> fenced_order_;
  std::set<uint64_t> fenced_;                                // incarnations, the latest kMaxHistory
  uint64_t version_ = 1;
  SessionId next_session_ = 1;
  uint64_t next_group_ = 1;
  uint64_t leases_expired_ = 0;
};

}  // namespace triptych::coordinator
