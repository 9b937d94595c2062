#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "common/ids.h"
#include "triptych/internal/v1/cluster.pb.h"
#include "triptych/internal/v1/decoder.pb.h"

namespace triptych::router {

// One incarnation of a worker as this router knows it: what it has in flight there, and what its caches are believed to hold.
// Thread-safe. Once fenced it stays so: its calls are cancelled and its tokens dropped.
class WorkerHandle {
 public:
  explicit WorkerHandle(internal::v1::Register registration) : registration_(std::move(registration)) {}

  const internal::v1::Register& registration() const { return registration_; }  // without a later group_id
  const std::string& id() const { return registration_.worker_id(); }
  const std::string& address() const { return registration_.address(); }
  uint64_t incarnation() const { return registration_.incarnation(); }

  // Work that this router has there.
  std::atomic<int64_t> sequences{0};
  std::atomic<int64_t> queued_tokens{0};  // of prompts whose first token has not come
  std::atomic<int64_t> tiles{0};

  // Runs `cancel` when the worker is fenced, at once if it is already. Gives a number for Forget.
  uint64_t OnFenced(std::function<void()> cancel) {
    {
      std::lock_guard lock(mutex_);
      if (!fenced_) {
        hooks_[next_hook_] = std::move(cancel);
        return next_hook_++;
      }
    }
    cancel();
    return 0;
  }
  void Forget(uint64_t hook) {
    std::lock_guard lock(mutex_);
    hooks_.erase(hook);
  }
  void Fence() {
    std::map<uint64_t, std::function<void()>> hooks;
    {
      std::lock_guard lock(mutex_);
      fenced_ = true;
      hooks = std::exchange(hooks_, {});
    }
    for (const auto& [number, cancel] : hooks) cancel();
  }
  bool fenced() const {
    std::lock_guard lock(mutex_);
    return fenced_;
  }

  void ApplyCache(const internal::v1::CacheUpdate& update) {
    std::lock_guard lock(mutex_);
    if (update.snapshot()) {
      blocks_.clear();
      embeddings_.clear();
    }
    for (const uint64_t hash : update.removed_blocks()) blocks_.erase(hash);
    for (const uint64_t hash : update.stored_blocks()) blocks_.insert(hash);
    for (const std::string& key : update.removed_embeddings()) embeddings_.erase(key);
    for (const std::string& key : update.stored_embeddings()) embeddings_.insert(key);
  }
  // How many blocks, from the first, it is believed to hold.
  int32_t MatchBlocks(const std::vector<uint64_t>& chain) const {
    std::lock_guard lock(mutex_);
    int32_t matched = 0;
    while (static_cast<size_t>(matched) < chain.size() && blocks_.contains(chain[matched])) ++matched;
    return matched;
  }
  bool HasEmbedding(const std::string& key) const {
    std::lock_guard lock(mutex_);
    return embeddings_.contains(key);
  }
  // Encoders do not tell what they hold: this router remembers what it has seen them encode.
  void RememberEmbedding(const std::string& key) {
    constexpr size_t kMaxRemembered = 65536;
    std::lock_guard lock(mutex_);
    if (embeddings_.size() >= kMaxRemembered) embeddings_.clear();
    embeddings_.insert(key);
  }
  void ForgetEmbedding(const std::string& key) {
    std::lock_guard lock(mutex_);
    embeddings_.erase(key);
  }

  // Pictures that this router has it encode now. True for the first who wants it: the others join and cost nothing.
  bool BeginPicture(const std::string& key) {
    std::lock_guard lock(mutex_);
    return ++encoding_[key] == 1;
  }
  void EndPicture(const std::string& key) {
    std::lock_guard lock(mutex_);
    const auto found = encoding_.find(key);
    if (--found->second == 0) encoding_.erase(found);
  }
  // It has encoded the picture, or is at it.
  bool HasPicture(const std::string& key) const {
    std::lock_guard lock(mutex_);
    return encoding_.contains(key) || embeddings_.contains(key);
  }

 private:
  const internal::v1::Register registration_;
  mutable std::mutex mutex_;
  bool fenced_ = false;                                 // guarded by mutex_, as all below
  std::map<uint64_t, std::function<void()>> hooks_;
  uint64_t next_hook_ = 1;
  std::unordered_set<uint64_t> blocks_;
  std::unordered_set<std::string> embeddings_;          // by the key's bytes
  std::unordered_map<std::string, int> encoding_;       // likewise: by how many requests
};

// Counts a piece of work at a worker for as long as it lives.
class WorkLease {
 public:
  WorkLease() = default;
  WorkLease(std::shared_ptr<WorkerHandle> worker, int64_t sequences, int64_t tokens, int64_t tiles)
      : worker_(std::move(worker)), sequences_(sequences), tokens_(tokens), tiles_(tiles) {
    worker_->sequences += sequences_;
    worker_->queued_tokens += tokens_;
    worker_->tiles += tiles_;
  }
  // A picture at an encoder. Its tiles count once, however many requests wait for it.
  static WorkLease OfPicture(std::shared_ptr<WorkerHandle> encoder, std::string key, int64_t tiles) {
    const bool first = encoder->BeginPicture(key);
    WorkLease lease(std::move(encoder), 0, 0, first ? tiles : 0);
    lease.picture_ = std::move(key);
    return lease;
  }
  WorkLease(WorkLease&& other) noexcept { *this = std::move(other); }
  WorkLease& operator=(WorkLease&& other) noexcept {
    std::swap(worker_, other.worker_);
    std::swap(sequences_, other.sequences_);
    std::swap(tokens_, other.tokens_);
    std::swap(tiles_, other.tiles_);
    std::swap(picture_, other.picture_);
    return *this;
  }
  ~WorkLease() {
    if (!worker_) return;
    FirstTokenSeen();
    worker_->sequences -= sequences_;
    worker_->tiles -= tiles_;
    if (!picture_.empty()) worker_->EndPicture(picture_);
  }
  void FirstTokenSeen() {
    worker_->queued_tokens -= tokens_;
    tokens_ = 0;
  }
  WorkerHandle* operator->() const { return worker_.get(); }
  const std::shared_ptr<WorkerHandle>& worker() const { return worker_; }
  explicit operator bool() const { return worker_ != nullptr; }

 private:
  std::shared_ptr<WorkerHandle> worker_;
  int64_t sequences_ = 0, tokens_ = 0, tiles_ = 0;
  std::string picture_;  // its key; empty: no picture
};

}  // namespace triptych::router
