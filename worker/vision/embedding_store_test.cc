#include "worker/vision/embedding_store.h"

#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

namespace triptych::vision {
namespace {

constexpr int32_t kHidden = 4;
constexpr int64_t kRowBytes = kHidden * sizeof(float);

EmbeddingKey Key(int i) {
  EmbeddingKey key;
  key.digest[0] = static_cast<uint8_t>(i);
  key.digest[31] = static_cast<uint8_t>(i * 7);
  return key;
}

at::Tensor RowsOf(float value, int rows) { return at::full({rows, kHidden}, value, at::kFloat); }

// Puts a whole entry in, unpinned.
Status Store(EmbeddingStore& store, int key, int rows) {
  TRIPTYCH_ASSIGN_OR_RETURN(const EmbeddingStore::Pin pin, store.Reserve(Key(key), rows));
  return store.Append(Key(key), 0, RowsOf(static_cast<float>(key), rows));
}

TEST(EmbeddingStoreTest, RowsCanBeReadAsTheyCome) {
  EmbeddingStore store(10 * kRowBytes, kHidden, {});
  const auto pin = store.Reserve(Key(1), 5);
  ASSERT_TRUE(pin.ok());
  EXPECT_EQ(pin->total_rows(), 5);
  EXPECT_EQ(pin->available_rows(), 0);
  ASSERT_TRUE(store.Append(Key(1), 0, RowsOf(1, 2)).ok());
  EXPECT_EQ(pin->available_rows(), 2);
  ASSERT_TRUE(store.Append(Key(1), 2, RowsOf(2, 3)).ok());
  EXPECT_EQ(pin->available_rows(), 5);
  const at::Tensor rows = pin->Rows(1, 2);
  EXPECT_EQ(rows.const_data_ptr<float>()[0], 1);
  EXPECT_EQ(rows.const_data_ptr<float>()[kHidden], 2);
}

TEST(EmbeddingStoreTest, AMissIsAnAnswer) {
  EmbeddingStore store(10 * kRowBytes, kHidden, {});
  EXPECT_FALSE(store.Find(Key(1)));
  EXPECT_EQ(store.misses(), 1u);
  ASSERT_TRUE(Store(store, 1, 2).ok());
  EXPECT_TRUE(store.Find(Key(1)));
  EXPECT_EQ(store.hits(), 1u);
}

TEST(EmbeddingStoreTest, OverlapIsSkippedAndGapsAreRefused) {
  EmbeddingStore store(10 * kRowBytes, kHidden, {});
  const auto pin = store.Reserve(Key(1), 4);
  ASSERT_TRUE(store.Append(Key(1), 0, RowsOf(1, 2)).ok());
  EXPECT_EQ(store.Append(Key(1), 3, RowsOf(9, 1)).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store.Append(Key(1), -1, RowsOf(9, 1)).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store.Append(Key(1), 2, RowsOf(9, 3)).code(), StatusCode::kInvalidArgument);
  ASSERT_TRUE(store.Append(Key(1), 0, RowsOf(2, 3)).ok());
  EXPECT_EQ(pin->available_rows(), 3);
  EXPECT_EQ(pin->Rows(1, 1).const_data_ptr<float>()[0], 1) << "rows that were there changed";
  EXPECT_EQ(pin->Rows(2, 1).const_data_ptr<float>()[0], 2);
  ASSERT_TRUE(store.Append(Key(1), 0, RowsOf(3, 3)).ok());
  EXPECT_EQ(pin->available_rows(), 3);
}

TEST(EmbeddingStoreTest, RowsOfAnotherKindAreRefused) {
  EmbeddingStore store(10 * kRowBytes, kHidden, {});
  const auto pin = store.Reserve(Key(1), 4);
  EXPECT_EQ(store.Append(Key(1), 0, at::zeros({1, kHidden + 1}, at::kFloat)).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store.Append(Key(1), 0, at::zeros({1, kHidden}, at::kDouble)).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store.Append(Key(1), 0, at::zeros({kHidden}, at::kFloat)).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store.Append(Key(2), 0, RowsOf(1, 1)).code(), StatusCode::kNotFound);
  EXPECT_EQ(store.Reserve(Key(1), 3).status().code(), StatusCode::kInternal);
  EXPECT_EQ(store.Reserve(Key(3), 0).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(pin->available_rows(), 0);
}

TEST(EmbeddingStoreTest, TheLongestUnusedGoesFirst) {
  EmbeddingStore store(6 * kRowBytes, kHidden, {});
  for (const int key : {1, 2, 3}) ASSERT_TRUE(Store(store, key, 2).ok());
  EXPECT_TRUE(store.Find(Key(1)));
  ASSERT_TRUE(Store(store, 4, 2).ok());
  EXPECT_TRUE(store.Find(Key(1)));
  EXPECT_FALSE(store.Find(Key(2)));
  EXPECT_TRUE(store.Find(Key(3)));
  EXPECT_EQ(store.bytes(), 6 * kRowBytes);
  EXPECT_EQ(store.entries(), 3);
}

TEST(EmbeddingStoreTest, PinnedEntriesStayAndCount) {
  EmbeddingStore store(6 * kRowBytes, kHidden, {});
  auto pin = store.Reserve(Key(1), 4);
  ASSERT_TRUE(pin.ok());
  ASSERT_TRUE(Store(store, 2, 2).ok());
  EXPECT_EQ(store.Reserve(Key(3), 3).status().code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(store.Find(Key(2))) << "evicted for an entry that could not fit";
  pin = EmbeddingStore::Pin();
  EXPECT_TRUE(store.Reserve(Key(3), 3).ok());
  EXPECT_FALSE(store.Find(Key(1)));
}

TEST(EmbeddingStoreTest, AbandonedEntriesGoWithTheirLastPin) {
  EmbeddingStore store(6 * kRowBytes, kHidden, {});
  std::optional<EmbeddingStore::Pin> writer = *store.Reserve(Key(1), 4);
  std::optional<EmbeddingStore::Pin> reader = store.Find(Key(1));
  store.Abandon(Key(1));
  writer.reset();
  EXPECT_EQ(store.entries(), 1);
  reader.reset();
  EXPECT_EQ(store.entries(), 0);
  EXPECT_EQ(store.bytes(), 0);
}

TEST(EmbeddingStoreTest, AnAbandonedEntryCanBeGoneOnWith) {
  EmbeddingStore store(6 * kRowBytes, kHidden, {});
  std::optional<EmbeddingStore::Pin> reader = *store.Reserve(Key(1), 4);
  ASSERT_TRUE(store.Append(Key(1), 0, RowsOf(1, 3)).ok());
  store.Abandon(Key(1));
  auto writer = store.Reserve(Key(1), 4);
  ASSERT_TRUE(writer.ok());
  reader.reset();
  EXPECT_EQ(writer->available_rows(), 3);
  ASSERT_TRUE(store.Append(Key(1), 3, RowsOf(1, 1)).ok());
  writer = EmbeddingStore::Pin();
  EXPECT_TRUE(store.Find(Key(1)));
}

TEST(EmbeddingStoreTest, CompleteEntriesAreNotAbandoned) {
  EmbeddingStore store(6 * kRowBytes, kHidden, {});
  ASSERT_TRUE(Store(store, 1, 2).ok());
  store.Abandon(Key(1));
  store.Abandon(Key(9));
  EXPECT_TRUE(store.Find(Key(1)));
}

TEST(EmbeddingStoreTest, PinsOutliveTheStore) {
  std::optional<EmbeddingStore> store(std::in_place, 6 * kRowBytes, kHidden, EmbeddingStore::Observer{});
  ASSERT_TRUE(Store(*store, 1, 2).ok());
  const EmbeddingStore::Pin pin = store->Find(Key(1));
  store.reset();
  EXPECT_EQ(pin.Rows(0, 2).const_data_ptr<float>()[0], 1);
}

TEST(EmbeddingStoreTest, TheObserverHearsGrowthCompletionAndRemoval) {
  std::vector<std::string> heard;
  const auto name = [](const EmbeddingKey& key) { return std::to_string(key.digest[0]); };
  EmbeddingStore store(4 * kRowBytes, kHidden,
                       {.on_rows = [&](const EmbeddingKey& key, int32_t rows) { heard.push_back("rows " + name(key) + " " + std::to_string(rows)); },
                        .on_stored = [&](const EmbeddingKey& key) { heard.push_back("stored " + name(key)); },
                        .on_removed = [&](const EmbeddingKey& key) { heard.push_back("removed " + name(key)); }});
  {
    const auto pin = store.Reserve(Key(1), 3);
    ASSERT_TRUE(store.Append(Key(1), 0, RowsOf(1, 1)).ok());
    ASSERT_TRUE(store.Append(Key(1), 1, RowsOf(1, 2)).ok());
  }
  { const auto never_finished = store.Reserve(Key(2), 4); }
  ASSERT_TRUE(Store(store, 3, 4).ok());
  EXPECT_EQ(heard, (std::vector<std::string>{"rows 1 1", "rows 1 3", "stored 1", "removed 1", "rows 3 4", "stored 3"}));
}

TEST(EmbeddingStoreTest, TheObserverMayUseTheStore) {
  EmbeddingStore* late = nullptr;
  bool found = false;
  EmbeddingStore store(4 * kRowBytes, kHidden,
                       {.on_stored = [&](const EmbeddingKey& key) { found = static_cast<bool>(late->Find(key)); }});
  late = &store;
  ASSERT_TRUE(Store(store, 1, 2).ok());
  EXPECT_TRUE(found);
}

// Random operations against a plain map: what is pinned is there, what is there is right, and bytes never pass the capacity.
TEST(EmbeddingStoreTest, RandomOperationsKeepTheInvariants) {
  struct Model {
    int32_t total = 0, available = 0;
    std::vector<EmbeddingStore::Pin> pins;
  };
  constexpr int64_t kCapacity = 40 * kRowBytes;
  std::set<int> stored;
  EmbeddingStore store(kCapacity, kHidden,
                       {.on_stored = [&](const EmbeddingKey& key) { EXPECT_TRUE(stored.insert(key.digest[0]).second); },
                        .on_removed = [&](const EmbeddingKey& key) { EXPECT_EQ(stored.erase(key.digest[0]), 1u); }});
  std::map<int, Model> pinned;
  std::mt19937 random(3);
  for (int round = 0; round < 20000; ++round) {
    const int key = static_cast<int>(random() % 12);
    const int rows = 1 + key;  // a key always has the same rows
    const auto mine = pinned.find(key);
    switch (random() % 5) {
      case 0:
      case 1: {
        auto pin = random() % 2 ? store.Reserve(Key(key), rows) : StatusOr<EmbeddingStore::Pin>(store.Find(Key(key)));
        if (!pin.ok()) {
          EXPECT_EQ(pin.status().code(), StatusCode::kResourceExhausted);
          EXPECT_EQ(mine, pinned.end()) << "what is pinned cannot be refused";
        } else if (*pin) {
          Model& model = pinned[key];
          EXPECT_TRUE(model.pins.empty() || pin->available_rows() == model.available);
          model.total = rows;
          model.available = pin->available_rows();
          model.pins.push_back(std::move(*pin));
        } else {
          EXPECT_EQ(mine, pinned.end()) << "what is pinned cannot be missing";
        }
        break;
      }
      case 2:
        if (mine != pinned.end()) {
          Model& model = mine->second;
          const int count = static_cast<int>(random() % (model.total - model.available + 1));
          ASSERT_TRUE(store.Append(Key(key), model.available, RowsOf(static_cast<float>(key), count)).ok());
          model.available += count;
        }
        break;
      case 3:
        if (mine != pinned.end()) {
          mine->second.pins.pop_back();
          if (mine->second.pins.empty()) pinned.erase(mine);
        }
        break;
      case 4:
        if (random() % 4 == 0) store.Abandon(Key(key));
        break;
    }
    int64_t pinned_bytes = 0;
    for (const auto& [pinned_key, model] : pinned) {
      const EmbeddingStore::Pin& pin = model.pins.front();
      ASSERT_EQ(pin.total_rows(), model.total);
      ASSERT_EQ(pin.available_rows(), model.available);
      if (model.available > 0) {
        ASSERT_EQ(pin.Rows(model.available - 1, 1).const_data_ptr<float>()[kHidden - 1], static_cast<float>(pinned_key));
      }
      pinned_bytes += model.total * kRowBytes;
    }
    ASSERT_LE(store.bytes(), kCapacity);
    ASSERT_GE(store.bytes(), pinned_bytes);
    ASSERT_GE(store.entries(), static_cast<int64_t>(std::max(pinned.size(), stored.size())));
  }
  for (const int key : stored) EXPECT_TRUE(store.Find(Key(key)));
}

TEST(EmbeddingStoreTest, ThreadsReadWhileOneWrites) {
  EmbeddingStore store(1000 * kRowBytes, kHidden, {});
  const auto writer_pin = store.Reserve(Key(1), 500);
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&store] {
      int32_t seen = 0;
      while (seen < 500) {
        const EmbeddingStore::Pin pin = store.Find(Key(1));
        const int32_t available = pin.available_rows();
        ASSERT_GE(available, seen);
        for (; seen < available; ++seen) ASSERT_EQ(pin.Rows(seen, 1).const_data_ptr<float>()[0], static_cast<float>(seen));
        std::this_thread::yield();
      }
    });
  }
  for (int32_t row = 0; row < 500; ++row) ASSERT_TRUE(store.Append(Key(1), row, RowsOf(static_cast<float>(row), 1)).ok());
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace triptych::vision
