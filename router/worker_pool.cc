#include "router/worker_pool.h"

#include <algorithm>

#include <xxhash.h>

#include "common/ids.h"
#include "common/log/log.h"

namespace triptych::router {

using internal::v1::WORKER_ROLE_DECODER;
using internal::v1::WORKER_ROLE_ENCODER;
using internal::v1::Worker;

void WorkerPool::Update(std::shared_ptr<const ClusterView> view) {
  std::vector<std::shared_ptr<WorkerHandle>> gone, decoders;
  {
    std::lock_guard lock(mutex_);
    heard_ = true;
    std::erase_if(workers_, [&](const auto& known) {
      const auto now = view->workers.find(known.first);
      if (now != view->workers.end() && now->second.registration().incarnation() == known.second.handle->incarnation()) return false;
      gone.push_back(known.second.handle);
      return true;
    });
    for (const auto& [id, worker] : view->workers) {
      Entry& entry = workers_[id];
      if (!entry.handle) entry.handle = std::make_shared<WorkerHandle>(worker.registration());
      entry.worker = worker;
      if (entry.announced || !IsReady(entry, WORKER_ROLE_DECODER)) continue;
      entry.announced = true;
      decoders.push_back(entry.handle);
    }
  }
  for (const auto& handle : gone) {
    spdlog::info("worker {} (incarnation {:016x}) is gone", handle->id(), handle->incarnation());
    handle->Fence();
  }
  for (const auto& handle : decoders) on_decoder_(handle);
  changes_.Notify();
}

bool WorkerPool::IsReady(const Entry& entry, internal::v1::WorkerRole role) {
  const auto& roles = entry.worker.registration().roles();
  return entry.worker.state() == internal::v1::WORKER_STATE_READY && std::ranges::find(roles, role) != roles.end() &&
         (role != WORKER_ROLE_DECODER || entry.worker.leads());
}

WorkLease WorkerPool::PickDecoder(const DecoderWish& wish) {
  std::vector<std::shared_ptr<WorkerHandle>> handles;
  std::vector<DecoderCandidate> candidates;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [id, entry] : workers_) {
      const internal::v1::ModelIdentity& identity = entry.worker.registration().model();
      const bool fits = IsReady(entry, WORKER_ROLE_DECODER) && identity.name() == wish.model &&
                        identity.card_digest() == wish.card_digest && !wish.excluded.contains(entry.handle->incarnation()) &&
                        (wish.numerics.empty() ||
                         (identity.numerics() == wish.numerics && identity.weights_digest() == wish.weights_digest));
      if (!fits) continue;
      const internal::v1::Load& load = entry.worker.load();
      handles.push_back(entry.handle);
      candidates.push_back({.queued_tokens = std::max<int64_t>(load.waiting_prefill_tokens(), entry.handle->queued_tokens),
                            .sequences = static_cast<int32_t>(std::max<int64_t>(
                                load.running_sequences() + load.waiting_sequences(), entry.handle->sequences)),
                            .max_sequences = static_cast<int32_t>(entry.worker.registration().capacity().max_sequences())});
    }
  }
  for (size_t i = 0; i < handles.size(); ++i) candidates[i].cached_tokens = kBlockTokens * handles[i]->MatchBlocks(wish.blocks);
  const auto picked = policy_->Pick({.prompt_tokens = wish.prompt_tokens, .ordinal = ordinal_++}, candidates);
  if (!picked) return {};
  const int64_t uncached = std::max(0, wish.prompt_tokens - candidates[*picked].cached_tokens);
  return {handles[*picked], wish.sequences, uncached, 0};
}

// The lock is held until the lease counts, so that pictures of one moment see each other.
WorkLease WorkerPool::PickEncoder(const std::string& card_digest, const std::string& key, int32_t tiles, const std::set<uint64_t>& excluded) {
  std::vector<std::pair<uint64_t, std::shared_ptr<WorkerHandle>>> ranked;
  int64_t total = tiles;
  std::lock_guard lock(mutex_);
  for (const auto& [id, entry] : workers_) {
    if (!IsReady(entry, WORKER_ROLE_ENCODER) || entry.worker.registration().model().card_digest() != card_digest ||
        excluded.contains(entry.handle->incarnation())) {
      continue;
    }
    const std::string text = key + id;
    ranked.emplace_back(XXH3_64bits(text.data(), text.size()), entry.handle);
    total += entry.handle->tiles;
  }
  if (ranked.empty()) return {};
  std::ranges::sort(ranked, std::greater<>(), [](const auto& entry) { return entry.first; });
  const auto has_picture = [&](const auto& entry) { return entry.second->HasPicture(key); };
  const auto count = static_cast<int64_t>(ranked.size());
  const int64_t bound = (5 * total + 4 * count - 1) / (4 * count);  // 1.25 times the mean, rounded up
  const auto has_room = [&](const auto& entry) { return entry.second->tiles == 0 || entry.second->tiles + tiles <= bound; };
  auto chosen = std::ranges::find_if(ranked, has_picture);
  if (chosen == ranked.end()) chosen = std::ranges::find_if(ranked, has_room);
  if (chosen == ranked.end()) chosen = std::ranges::min_element(ranked, {}, [](const auto& entry) { return entry.second->tiles.load(); });
  return WorkLease::OfPicture(chosen->second, key, tiles);
}

std::pair<int, int> WorkerPool::CountReady(const std::string& model) const {
  std::lock_guard lock(mutex_);
  std::pair<int, int> count{0, 0};
  for (const auto& [id, entry] : workers_) {
    if (entry.worker.registration().model().name() != model) continue;
    count.first += IsReady(entry, WORKER_ROLE_ENCODER);
    count.second += IsReady(entry, WORKER_ROLE_DECODER);
  }
  return count;
}

bool WorkerPool::heard() const {
  std::lock_guard lock(mutex_);
  return heard_;
}

}  // namespace triptych::router
