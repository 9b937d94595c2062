#include "worker/process/cache_journal.h"

#include <random>

#include "gtest/gtest.h"

namespace triptych::worker {
namespace {

EmbeddingKey Key(uint8_t first) {
  EmbeddingKey key;
  key.digest[0] = first;
  return key;
}

TEST(CacheJournal, FirstTakeIsASnapshotOfAllThatIsThere) {
  CacheJournal journal;
  journal.OnBlocksStored({1, 2, 3});
  journal.OnBlocksRemoved({2});
  journal.OnEmbeddingStored(Key(7));
  auto subscription = journal.Subscribe([] {});
  const CacheJournal::Update update = subscription->Take();
  EXPECT_TRUE(update.snapshot);
  EXPECT_EQ(update.stored_blocks, (std::unordered_set<uint64_t>{1, 3}));
  EXPECT_EQ(update.stored_embeddings, (std::unordered_set<EmbeddingKey>{Key(7)}));
  EXPECT_TRUE(subscription->Take().empty());
}

TEST(CacheJournal, ChangesComeOnceAndWakeOnceUntilTaken) {
  CacheJournal journal;
  int wakes = 0;
  auto subscription = journal.Subscribe([&] { ++wakes; });
  subscription->Take();
  journal.OnBlocksStored({5});
  journal.OnBlocksStored({6});
  EXPECT_EQ(wakes, 1);
  const CacheJournal::Update update = subscription->Take();
  EXPECT_FALSE(update.snapshot);
  EXPECT_EQ(update.stored_blocks, (std::unordered_set<uint64_t>{5, 6}));
  journal.OnEmbeddingRemoved(Key(1));
  EXPECT_EQ(wakes, 2);
}

TEST(CacheJournal, ANameStandsUnderItsLatestChangeOnly) {
  CacheJournal journal;
  auto subscription = journal.Subscribe([] {});
  subscription->Take();
  journal.OnBlocksStored({5});
  journal.OnBlocksRemoved({5});
  journal.OnEmbeddingRemoved(Key(2));
  journal.OnEmbeddingStored(Key(2));
  const CacheJournal::Update update = subscription->Take();
  EXPECT_TRUE(update.stored_blocks.empty());
  EXPECT_EQ(update.removed_blocks, (std::unordered_set<uint64_t>{5}));
  EXPECT_EQ(update.stored_embeddings, (std::unordered_set<EmbeddingKey>{Key(2)}));
  EXPECT_TRUE(update.removed_embeddings.empty());
}

TEST(CacheJournal, ASlowReaderGetsASnapshotInsteadOfALongBacklog) {
  CacheJournal journal(/*max_pending=*/10);
  auto subscription = journal.Subscribe([] {});
  subscription->Take();
  for (uint64_t hash = 0; hash < 100; ++hash) journal.OnBlocksStored({hash});
  const CacheJournal::Update update = subscription->Take();
  EXPECT_TRUE(update.snapshot);
  EXPECT_EQ(update.stored_blocks.size(), 100u);
}

TEST(CacheJournal, AReaderThatAppliesUpdatesHoldsWhatTheCacheHolds) {
  CacheJournal journal(/*max_pending=*/20);
  auto subscription = journal.Subscribe([] {});
  std::unordered_set<uint64_t> truth, seen;
  std::mt19937 random(17);
  for (int step = 0; step < 5000; ++step) {
    const uint64_t hash = random() % 64;
    if (random() % 2 == 0) {
      journal.OnBlocksStored({hash});
      truth.insert(hash);
    } else {
      journal.OnBlocksRemoved({hash});
      truth.erase(hash);
    }
    if (random() % 16 != 0) continue;
    const CacheJournal::Update update = subscription->Take();
    if (update.snapshot) seen.clear();
    seen.insert(update.stored_blocks.begin(), update.stored_blocks.end());
    for (uint64_t removed : update.removed_blocks) seen.erase(removed);
    ASSERT_EQ(seen, truth) << "after step " << step;
  }
}

}  // namespace
}  // namespace triptych::worker
