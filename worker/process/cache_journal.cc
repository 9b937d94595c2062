#include "worker/process/cache_journal.h"

#include <utility>

namespace triptych::worker {

CacheJournal::Subscription::~Subscription() {
  std::lock_guard lock(journal_->mutex_);
  journal_->subscriptions_.erase(this);
}

CacheJournal::Update CacheJournal::Subscription::Take() {
  std::lock_guard lock(journal_->mutex_);
  if (!std::exchange(lost_, false)) return std::exchange(pending_, {});
  pending_ = {};
  Update all;
  all.snapshot = true;
  all.stored_blocks = journal_->blocks_;
  all.stored_embeddings = journal_->embeddings_;
  return all;
}

std::unique_ptr<CacheJournal::Subscription> CacheJournal::Subscribe(std::function<void()> wake) {
  auto subscription = std::make_unique<Subscription>();
  subscription->journal_ = this;
  subscription->wake_ = std::move(wake);
  std::lock_guard lock(mutex_);
  subscriptions_.insert(subscription.get());
  return subscription;
}

// Wakes under the lock, so that a subscription cannot end meanwhile: `wake` only posts.
void CacheJournal::Publish(const std::function<void(Update&)>& change) {
  for (Subscription* subscription : subscriptions_) {
    if (subscription->lost_) continue;
    const bool was_empty = subscription->pending_.empty();
    change(subscription->pending_);
    if (subscription->pending_.size() > max_pending_) {
      subscription->pending_ = {};
      subscription->lost_ = true;
    }
    if (was_empty) subscription->wake_();
  }
}

namespace {

// Moves a name to the list of its latest change.
template <typename Name>
void Move(const Name& name, std::unordered_set<Name>& from, std::unordered_set<Name>& to) {
  from.erase(name);
  to.insert(name);
}

}  // namespace

void CacheJournal::OnBlocksStored(std::vector<uint64_t> hashes) {
  std::lock_guard lock(mutex_);
  blocks_.insert(hashes.begin(), hashes.end());
  Publish([&](Update& update) {
    for (uint64_t hash : hashes) Move(hash, update.removed_blocks, update.stored_blocks);
  });
}

void CacheJournal::OnBlocksRemoved(std::vector<uint64_t> hashes) {
  std::lock_guard lock(mutex_);
  for (uint64_t hash : hashes) blocks_.erase(hash);
  Publish([&](Update& update) {
    for (uint64_t hash : hashes) Move(hash, update.stored_blocks, update.removed_blocks);
  });
}

void CacheJournal::OnEmbeddingStored(const EmbeddingKey& key) {
  std::lock_guard lock(mutex_);
  embeddings_.insert(key);
  Publish([&](Update& update) { Move(key, update.removed_embeddings, update.stored_embeddings); });
}

void CacheJournal::OnEmbeddingRemoved(const EmbeddingKey& key) {
  std::lock_guard lock(mutex_);
  embeddings_.erase(key);
  Publish([&](Update& update) { Move(key, update.stored_embeddings, update.removed_embeddings); });
}

}  // namespace triptych::worker
