#include "coordinator/membership.h"

#include <algorithm>

#include "spdlog/spdlog.h"

namespace triptych::coordinator {
namespace {

using namespace internal::v1;  // NOLINT: this file is about little else

constexpr size_t kMaxHistory = 1024;

bool IsPartOfGroup(const Register& registration) {
  return registration.has_group() && registration.group().num_ranks() < registration.group().world_size();
}

WorkerCommand MakeStop(std::string reason) {
  WorkerCommand command;
  command.mutable_stop()->set_reason(std::move(reason));
  return command;
}

int64_t Milliseconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

}  // namespace

Membership::Membership(MembershipOptions options, const Clock* clock, uint64_t incarnation, std::function<void()> on_change)
    : options_(options), clock_(clock), incarnation_(incarnation), on_change_(std::move(on_change)) {}

StatusOr<Membership::SessionId> Membership::Join(const Register& registration, Send send) {
  const TimePoint now = clock_->Now();
  const std::string& id = registration.worker_id();
  Outbox outbox;
  SessionId session = 0;
  if (id.empty() || registration.incarnation() == 0 || registration.roles().empty()) {
    return InvalidArgument("a worker registers with an id, an incarnation and its roles");
  }
  {
    std::lock_guard lock(mutex_);
    if (fenced_.contains(registration.incarnation())) return Aborted("worker {}: this incarnation is fenced: start anew", id);
    const auto old = members_.find(id);
    if (old != members_.end() && old->second.registration.incarnation() != registration.incarnation()) {
      if (old->second.session != 0) outbox.emplace_back(old->second.send, MakeStop("fenced by a newer incarnation"));
      Remove(id, outbox);
    }
    TRIPTYCH_RETURN_IF_ERROR(CheckRanks(registration));
    session = next_session_++;
    Member& member = members_[id];
    const bool again = !member.registration.worker_id().empty();
    const std::string group_id = member.registration.group().group_id();
    member.registration = registration;
    if (IsPartOfGroup(registration) && registration.group().group_id().empty() && !group_id.empty()) {
      member.registration.mutable_group()->set_group_id(group_id);  // it has not heard of its forming yet
    }
    if (!again) member.progress_at = now;
    member.session = session;
    member.send = std::move(send);
    member.lease_end = now + options_.lease_ttl;
    Judge(member, now);
    Touch(member);
    spdlog::info("worker {} joined at {} (incarnation {:016x})", id, registration.address(), registration.incarnation());
    if (IsPartOfGroup(registration)) FormGroup(registration.group().group(), outbox);
  }
  Deliver(std::move(outbox), /*changed=*/true);
  return session;
}

// Two workers must not hold one rank, and all of a group speak of the same world.
Status Membership::CheckRanks(const Register& registration) const {
  if (!IsPartOfGroup(registration)) return OkStatus();
  const GroupMember& mine = registration.group();
  if (mine.world_size() > 64 || mine.num_ranks() == 0 || mine.first_rank() + mine.num_ranks() > mine.world_size()) {
    return InvalidArgument("group {}: ranks [{}, {}) are not among {}", mine.group(), mine.first_rank(),
                           mine.first_rank() + mine.num_ranks(), mine.world_size());
  }
  for (const auto& [id, member] : members_) {
    const GroupMember& other = member.registration.group();
    if (id == registration.worker_id() || other.group() != mine.group() || !IsPartOfGroup(member.registration)) continue;
    if (other.world_size() != mine.world_size()) {
      return FailedPrecondition("group {}: worker {} says {} ranks, worker {} {}", mine.group(), id, other.world_size(),
                                registration.worker_id(), mine.world_size());
    }
    const bool apart = other.first_rank() + other.num_ranks() <= mine.first_rank() ||
                       mine.first_rank() + mine.num_ranks() <= other.first_rank();
    if (!apart) return FailedPrecondition("group {}: worker {} holds these ranks", mine.group(), id);
  }
  return OkStatus();
}

// Once all ranks are there and in no forming yet. A part of an older forming keeps the others waiting until it has been stopped.
void Membership::FormGroup(const std::string& group, Outbox& outbox) {
  std::vector<Member*> parts;
  uint32_t ranks = 0, world = 0;
  for (auto& [id, member] : members_) {
    const GroupMember& part = member.registration.group();
    if (!IsPartOfGroup(member.registration) || part.group() != group) continue;
    if (!part.group_id().empty() || member.session == 0) return;
    parts.push_back(&member);
    ranks += part.num_ranks();
    world = part.world_size();
  }
  if (parts.empty() || ranks != world) return;
  std::ranges::sort(parts, {}, [](const Member* member) { return member->registration.group().first_rank(); });
  WorkerCommand command;
  internal::v1::FormGroup* form = command.mutable_form_group();
  form->set_group_id(fmt::format("{}-{:x}-{}", group, incarnation_, next_group_++));
  for (Member* part : parts) {
    part->registration.mutable_group()->set_group_id(form->group_id());
    auto* to = form->add_members();
    to->set_worker_id(part->registration.worker_id());
    to->set_incarnation(part->registration.incarnation());
    to->set_address(part->registration.address());
    to->set_first_rank(part->registration.group().first_rank());
    to->set_num_ranks(part->registration.group().num_ranks());
  }
  spdlog::info("forming group {} of {} ranks in {} processes", form->group_id(), world, parts.size());
  for (Member* part : parts) {
    Touch(*part);
    outbox.emplace_back(part->send, command);
  }
}

// A part is gone: the others cannot go on.
void Membership::BreakGroup(const std::string& group_id, Outbox& outbox) {
  if (group_id.empty()) return;
  for (auto& [id, member] : members_) {
    if (member.registration.group().group_id() != group_id) continue;
    member.verdict = "a part of its shard group is gone";
    member.state = WORKER_STATE_SUSPECT;
    member.reason = member.verdict;
    Touch(member);
    if (member.session != 0) outbox.emplace_back(member.send, MakeStop(member.verdict));
  }
}

void Membership::Remove(const std::string& worker_id, Outbox& outbox) {
  const auto found = members_.find(worker_id);
  if (found == members_.end()) return;
  const uint64_t incarnation = found->second.registration.incarnation();
  const std::string group_id = IsPartOfGroup(found->second.registration) ? found->second.registration.group().group_id() : "";
  members_.erase(found);
  removed_.emplace_back(++version_, worker_id);
  if (removed_.size() > kMaxHistory) {
    history_begin_ = removed_.front().first;
    removed_.pop_front();
  }
  if (fenced_.insert(incarnation).second) fenced_order_.push_back(incarnation);
  if (fenced_order_.size() > kMaxHistory) {
    fenced_.erase(fenced_order_.front());
    fenced_order_.pop_front();
  }
  BreakGroup(group_id, outbox);
}

Membership::Member* Membership::OfSession(SessionId session) {
  for (auto& [id, member] : members_) {
    if (member.session == session) return &member;
  }
  return nullptr;
}

Status Membership::Beat(SessionId session, const Heartbeat& heartbeat) {
  const TimePoint now = clock_->Now();
  Outbox outbox;
  {
    std::lock_guard lock(mutex_);
    Member* member = OfSession(session);
    if (member == nullptr) return Aborted("fenced: start anew");
    if (heartbeat.steps() != member->report.steps() || !heartbeat.has_work() || !member->report.has_work()) {
      member->progress_at = now;
    }
    member->report = heartbeat;
    member->lease_end = now + options_.lease_ttl;
    if (heartbeat.state() == WORKER_STATE_GONE) {
      Remove(std::string(member->registration.worker_id()), outbox);
    } else {
      Judge(*member, now);
      Touch(*member);
      WorkerCommand command;
      command.mutable_lease()->set_ttl_ms(static_cast<uint32_t>(Milliseconds(options_.lease_ttl)));
      outbox.emplace_back(member->send, std::move(command));
    }
  }
  Deliver(std::move(outbox), /*changed=*/true);
  return OkStatus();
}

void Membership::Leave(SessionId session) {
  {
    std::lock_guard lock(mutex_);
    Member* member = OfSession(session);
    if (member == nullptr) return;
    member->session = 0;
    member->send = nullptr;
    Judge(*member, clock_->Now());
    Touch(*member);
  }
  Deliver({}, /*changed=*/true);
}

// The worker's own word, unless there is a reason not to believe it.
void Membership::Judge(Member& member, TimePoint now) {
  const WorkerState reported =
      member.report.state() == WORKER_STATE_UNSPECIFIED ? WORKER_STATE_STARTING : member.report.state();
  std::string reason = member.verdict;
  if (reason.empty() && member.session == 0) reason = "its stream is broken";
  if (reason.empty() && now > member.lease_end) reason = "its lease is overdue";
  if (reason.empty() && member.report.has_work() && now - member.progress_at > options_.step_stall) {
    reason = fmt::format("it has work and finished no step for {} ms", Milliseconds(options_.step_stall));
  }
  member.state = reason.empty() || reported == WORKER_STATE_DRAINING ? reported : WORKER_STATE_SUSPECT;
  member.reason = std::move(reason);
}

void Membership::Tick() {
  const TimePoint now = clock_->Now();
  bool changed = false;
  Outbox outbox;
  {
    std::lock_guard lock(mutex_);
    std::vector<std::string> gone;
    for (auto& [id, member] : members_) {
      const WorkerState before = member.state;
      Judge(member, now);
      if (member.state != before) {
        if (member.state == WORKER_STATE_SUSPECT) spdlog::warn("worker {} is suspect: {}", id, member.reason);
        Touch(member);
        changed = true;
      }
      if (now > member.lease_end + options_.lease_ttl) gone.push_back(id);
    }
    for (const std::string& id : gone) {
      spdlog::warn("worker {} is gone: its lease has run out", id);
      ++leases_expired_;
      changed = true;
      if (const auto found = members_.find(id); found != members_.end() && found->second.session != 0) {
        outbox.emplace_back(found->second.send, MakeStop("its lease has run out"));
      }
      Remove(id, outbox);
    }
  }
  if (changed) Deliver(std::move(outbox), /*changed=*/true);
}

StatusOr<uint64_t> Membership::Drain(const std::string& worker_id, std::chrono::milliseconds deadline) {
  WorkerCommand command;
  command.mutable_drain()->set_deadline_ms(static_cast<uint32_t>(deadline.count()));
  Outbox outbox;
  uint64_t incarnation = 0;
  {
    std::lock_guard lock(mutex_);
    const auto found = members_.find(worker_id);
    if (found == members_.end()) return NotFound("no worker '{}'", worker_id);
    if (found->second.session == 0) return Unavailable("worker {} cannot be reached", worker_id);
    incarnation = found->second.registration.incarnation();
    outbox.emplace_back(found->second.send, std::move(command));
  }
  Deliver(std::move(outbox), /*changed=*/false);
  return incarnation;
}

ClusterUpdate Membership::UpdateSince(uint64_t version) const {
  std::lock_guard lock(mutex_);
  ClusterUpdate update;
  update.set_version(version_);
  update.set_coordinator(incarnation_);
  update.set_full(version == 0 || version > version_ || version < history_begin_);
  for (const auto& [id, member] : members_) {
    if (!update.full() && member.changed <= version) continue;
    Worker* worker = update.add_workers();
    *worker->mutable_registration() = member.registration;
    *worker->mutable_load() = member.report.load();
    worker->set_state(member.state);
    worker->set_steps(member.report.steps());
    worker->set_reason(member.reason);
    const GroupMember& group = member.registration.group();
    worker->set_leads(group.first_rank() == 0 && (!IsPartOfGroup(member.registration) || !group.group_id().empty()));
  }
  if (update.full()) return update;
  for (const auto& [at, id] : removed_) {
    if (at > version && !members_.contains(id)) update.add_removed(id);
  }
  return update;
}

uint64_t Membership::version() const {
  std::lock_guard lock(mutex_);
  return version_;
}

bool Membership::HasGroup(const std::string& group_id) const {
  std::lock_guard lock(mutex_);
  return std::ranges::any_of(members_, [&](const auto& entry) { return entry.second.registration.group().group_id() == group_id; });
}

std::map<std::pair<WorkerRole, WorkerState>, int> Membership::CountByState() const {
  std::lock_guard lock(mutex_);
  std::map<std::pair<WorkerRole, WorkerState>, int> counts;
  for (const auto& [id, member] : members_) {
    for (const int role : member.registration.roles()) ++counts[{static_cast<WorkerRole>(role), member.state}];
  }
  return counts;
}

uint64_t Membership::leases_expired() const {
  std::lock_guard lock(mutex_);
  return leases_expired_;
}

void Membership::Deliver(Outbox outbox, bool changed) {
  for (auto& [send, command] : outbox) {
    if (send) send(std::move(command));
  }
  if (changed) on_change_();
}

}  // namespace triptych::coordinator
