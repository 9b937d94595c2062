#include "worker/vision/encode_batcher.h"

#include <condition_variable>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/status_reason.h"
#include "tests/fakes/fake_vision_encoder.h"
#include "tests/fakes/tiny_bmp.h"
#include "worker/vision/image_decoder.h"

namespace triptych::vision {
namespace {

using fakes::FakeVisionEncoder;
using fakes::TinyBmp;

constexpr int64_t kRowBytes = FakeVisionEncoder::kHidden * sizeof(float);

EmbeddingKey Key(uint32_t i) {
  EmbeddingKey key;
  for (int byte = 0; byte < 4; ++byte) key.digest[byte] = static_cast<uint8_t>(i >> 8 * byte);
  return key;
}

EncodeJob Job(uint32_t i, int32_t max_tiles = 1) { return {.key = Key(i), .image = TinyBmp(i), .max_tiles = max_tiles}; }

float FirstValue(uint32_t i) {
  const std::string file = TinyBmp(i);
  const auto rgb = DecodeImage({reinterpret_cast<const uint8_t*>(file.data()), file.size()}, RequestLimits{});
  return FakeVisionEncoder::Value(rgb.value(), 0);
}

// Collects results by number and waits for them.
class Results {
 public:
  EncodeDone For(uint32_t i) {
    return [this, i](StatusOr<EncodeReport> report) {
      std::lock_guard lock(mutex_);
      EXPECT_TRUE(reports_.emplace(i, std::move(report)).second) << "told twice";
      changed_.notify_all();
    };
  }
  const StatusOr<EncodeReport>& Of(uint32_t i) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return reports_.count(i) > 0; });
    return reports_.at(i);
  }
  size_t size() {
    std::lock_guard lock(mutex_);
    return reports_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<uint32_t, StatusOr<EncodeReport>> reports_;
};

// Holds the tower until opened, and counts how often it was reached.
class Gate {
 public:
  void Pass() {
    std::unique_lock lock(mutex_);
    ++arrived_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void WaitForArrival() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return arrived_ > 0; });
  }
  void Open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int arrived_ = 0;
  bool open_ = false;
};

class EncodeBatcherTest : public testing::Test {
 protected:
  void Make(EncodeBatcher::Options options, FakeVisionEncoder::OnTower on_tower = nullptr, int64_t rows = 10000) {
    options.on_failed = [this](const EmbeddingKey& key, const Status&) {
      std::lock_guard lock(failed_mutex_);
      failed_.insert(key);
    };
    encoder_ = std::make_unique<FakeVisionEncoder>(std::move(on_tower));
    store_ = std::make_unique<EmbeddingStore>(rows * kRowBytes, FakeVisionEncoder::kHidden, EmbeddingStore::Observer{});
    batcher_ = std::make_unique<EncodeBatcher>(std::move(options), encoder_.get(), store_.get(), &clock_);
    batcher_->Start();
  }
  void ExpectConserved() {
    const EncodeBatcher::Counters c = batcher_->counters();
    EXPECT_EQ(c.submitted, c.hits + c.joined + c.refused + c.encoded + c.failed + batcher_->in_flight());
  }

  SteadyClock clock_;
  std::mutex failed_mutex_;
  std::set<EmbeddingKey> failed_;
  std::unique_ptr<FakeVisionEncoder> encoder_;
  std::unique_ptr<EmbeddingStore> store_;
  Results results_;
  std::unique_ptr<EncodeBatcher> batcher_;  // goes first: its threads use the rest
};

TEST_F(EncodeBatcherTest, RowsComeFromThePixels) {
  Make({});
  batcher_->Submit(Job(5, 3), results_.For(5));
  const StatusOr<EncodeReport>& report = results_.Of(5);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->tiles, 3);
  EXPECT_FALSE(report->cached);
  ASSERT_EQ(report->pin.available_rows(), 6);
  for (int32_t row = 0; row < 6; ++row) {
    EXPECT_EQ(report->pin.Rows(row, 1).const_data_ptr<float>()[3], FirstValue(5) + static_cast<float>(row / 2));
  }
  EXPECT_GT(report->media.count(), 0);
  EXPECT_GT(report->encode.count(), 0);
  EXPECT_GE(report->queue.count(), 0);
}

TEST_F(EncodeBatcherTest, ASecondTimeIsAHit) {
  Make({});
  batcher_->Submit(Job(1), results_.For(1));
  ASSERT_TRUE(results_.Of(1).ok());
  batcher_->Submit({.key = Key(1)}, results_.For(2));
  const StatusOr<EncodeReport>& report = results_.Of(2);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->cached);
  EXPECT_EQ(report->tiles, 0);
  EXPECT_EQ(batcher_->counters().encoded, 1u);
  EXPECT_EQ(batcher_->counters().hits, 1u);
  ExpectConserved();
}

TEST_F(EncodeBatcherTest, AnEmptyFileOfAnUnknownPictureIsNotFound) {
  Make({});
  batcher_->Submit({.key = Key(1)}, results_.For(1));
  EXPECT_EQ(results_.Of(1).status().code(), StatusCode::kNotFound);
  ExpectConserved();
}

TEST_F(EncodeBatcherTest, TheSamePictureInFlightIsJoined) {
  Gate gate;
  Make({}, [&](const at::Tensor&) { gate.Pass(); });
  batcher_->Submit(Job(1), results_.For(0));
  gate.WaitForArrival();
  for (uint32_t i = 1; i < 20; ++i) batcher_->Submit(i % 2 ? Job(1) : EncodeJob{.key = Key(1)}, results_.For(i));
  EXPECT_EQ(batcher_->in_flight(), 1);
  EXPECT_TRUE(batcher_->has_work());
  gate.Open();
  for (uint32_t i = 0; i < 20; ++i) EXPECT_TRUE(results_.Of(i).ok());
  EXPECT_EQ(batcher_->counters().encoded, 1u);
  EXPECT_EQ(batcher_->counters().joined, 19u);
  EXPECT_EQ(batcher_->counters().tiles, 1u);
  EXPECT_FALSE(batcher_->has_work());
  ExpectConserved();
}

TEST_F(EncodeBatcherTest, TilesOfManyPicturesShareBatches) {
  Gate gate;
  std::vector<int64_t> sizes;
  Make({.max_batch_tiles = 4}, [&](const at::Tensor& tiles) {
    gate.Pass();
    sizes.push_back(tiles.size(0));
  });
  batcher_->Submit(Job(0), results_.For(0));
  gate.WaitForArrival();
  for (uint32_t i = 1; i <= 3; ++i) batcher_->Submit(Job(i, 3), results_.For(i));
  while (batcher_->waiting_tiles() < 9) std::this_thread::yield();
  gate.Open();
  for (uint32_t i = 0; i <= 3; ++i) {
    ASSERT_TRUE(results_.Of(i).ok()) << results_.Of(i).status();
    EXPECT_EQ(results_.Of(i)->pin.Rows(0, 1).const_data_ptr<float>()[0], FirstValue(i));
  }
  batcher_->Stop();
  EXPECT_EQ(sizes, (std::vector<int64_t>{1, 4, 4, 1}));
  EXPECT_EQ(batcher_->counters().tiles, 10u);
}

TEST_F(EncodeBatcherTest, ABadPictureFailsAlone) {
  Make({});
  EncodeJob bad = Job(1);
  bad.image.resize(60);
  batcher_->Submit(std::move(bad), results_.For(1));
  batcher_->Submit(Job(2), results_.For(2));
  EXPECT_EQ(results_.Of(1).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(results_.Of(1).status()), "IMAGE_CORRUPT");
  EXPECT_TRUE(results_.Of(2).ok());
  EXPECT_TRUE(failed_.contains(Key(1)));
  EXPECT_FALSE(failed_.contains(Key(2)));
  ExpectConserved();
}

TEST_F(EncodeBatcherTest, ATowerThatThrowsOnOnePictureFailsThatOneAlone) {
  Gate gate;
  const float poison = FirstValue(2);
  Make({}, [&](const at::Tensor& tiles) {
    gate.Pass();
    for (int64_t i = 0; i < tiles.size(0); ++i) {
      if (tiles.const_data_ptr<float>()[i * 12] == poison) throw std::runtime_error("device fault at 0xdeadbeef");
    }
  });
  batcher_->Submit(Job(0), results_.For(0));
  gate.WaitForArrival();
  for (uint32_t i = 1; i <= 4; ++i) batcher_->Submit(Job(i), results_.For(i));
  while (batcher_->waiting_tiles() < 4) std::this_thread::yield();
  gate.Open();
  for (uint32_t i = 0; i <= 4; ++i) EXPECT_EQ(results_.Of(i).ok(), i != 2) << i;
  EXPECT_EQ(results_.Of(2).status().code(), StatusCode::kInternal);
  EXPECT_EQ(Message(results_.Of(2).status()).find("0x"), std::string_view::npos);
  EXPECT_FALSE(store_->Find(Key(2))) << "a failed picture left an entry behind";
  ExpectConserved();
}

TEST_F(EncodeBatcherTest, AWrongRowCountIsInternalForThatJobAlone) {
  Make({});
  EncodeJob wrong = Job(1);
  wrong.expected_rows = 99;
  batcher_->Submit(std::move(wrong), results_.For(1));
  EXPECT_EQ(results_.Of(1).status().code(), StatusCode::kInternal);
  EncodeJob right = Job(1);
  right.expected_rows = 2;
  batcher_->Submit(std::move(right), results_.For(2));
  EXPECT_TRUE(results_.Of(2).ok());
}

TEST_F(EncodeBatcherTest, FullMeansResourceExhausted) {
  Gate gate;
  Make({.max_waiting_images = 3}, [&](const at::Tensor&) { gate.Pass(); });
  for (uint32_t i = 0; i < 5; ++i) batcher_->Submit(Job(i), results_.For(i));
  for (const uint32_t i : {3u, 4u}) EXPECT_EQ(results_.Of(i).status().code(), StatusCode::kResourceExhausted);
  gate.Open();
  for (const uint32_t i : {0u, 1u, 2u}) EXPECT_TRUE(results_.Of(i).ok());
  ExpectConserved();
}

TEST_F(EncodeBatcherTest, BytesOfWaitingFilesAreBounded) {
  Gate gate;
  Make({.max_waiting_bytes = static_cast<int64_t>(TinyBmp(0).size()) * 2}, [&](const at::Tensor&) { gate.Pass(); });
  for (uint32_t i = 0; i < 3; ++i) batcher_->Submit(Job(i), results_.For(i));
  EXPECT_EQ(results_.Of(2).status().code(), StatusCode::kResourceExhausted);
  gate.Open();
  EXPECT_TRUE(results_.Of(0).ok());
  EXPECT_TRUE(results_.Of(1).ok());
}

TEST_F(EncodeBatcherTest, AFullStoreFailsThePictureThatDoesNotFit) {
  Make({}, nullptr, /*rows=*/5);
  batcher_->Submit(Job(1, 2), results_.For(1));
  ASSERT_TRUE(results_.Of(1).ok());  // its report pins four of the five rows
  batcher_->Submit(Job(2, 1), results_.For(2));
  EXPECT_EQ(results_.Of(2).status().code(), StatusCode::kResourceExhausted);
}

TEST_F(EncodeBatcherTest, StopFailsWhatIsInFlightAndRefusesTheRest) {
  Gate gate;
  Make({.max_batch_tiles = 1}, [&](const at::Tensor&) { gate.Pass(); });
  for (uint32_t i = 0; i < 8; ++i) batcher_->Submit(Job(i), results_.For(i));
  gate.WaitForArrival();
  std::thread stopping([this] { batcher_->Stop(); });
  for (uint32_t probe = 100;; ++probe) {  // until Stop has closed the queue
    batcher_->Submit({.key = Key(probe)}, results_.For(probe));
    if (results_.Of(probe).status().code() == StatusCode::kUnavailable) break;
    std::this_thread::yield();
  }
  gate.Open();
  stopping.join();
  EXPECT_TRUE(results_.Of(0).ok());
  for (uint32_t i = 1; i < 8; ++i) EXPECT_EQ(results_.Of(i).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(store_->entries(), 1);
  batcher_->Stop();
  ExpectConserved();
}

TEST_F(EncodeBatcherTest, ProgressGoesOnWithWorkOnly) {
  Gate gate;
  Make({}, [&](const at::Tensor&) { gate.Pass(); });
  batcher_->Submit(Job(1), results_.For(1));
  gate.WaitForArrival();
  const uint64_t before = batcher_->progress();
  batcher_->Submit({.key = Key(1)}, results_.For(2));
  batcher_->Submit({.key = Key(3)}, results_.For(3));
  EXPECT_EQ(batcher_->progress(), before) << "requests are not progress";
  gate.Open();
  ASSERT_TRUE(results_.Of(1).ok());
  EXPECT_GT(batcher_->progress(), before);
}

// Many threads, many keys, some bad: every job is told once, and what it is told is right.
TEST_F(EncodeBatcherTest, ManySubmittersGetTheirOwnAnswers) {
  Make({.max_batch_tiles = 5, .max_waiting_images = 1000, .max_prepared_tiles = 7, .prepare_threads = 3});
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      std::mt19937 random(t);
      for (uint32_t i = 0; i < 200; ++i) {
        const uint32_t picture = random() % 40;
        EncodeJob job = Job(picture, 1 + static_cast<int32_t>(picture % 6));
        if (picture % 10 == 9) job.image.resize(20);
        batcher_->Submit(std::move(job), [this, picture, done = results_.For(t * 1000 + i)](StatusOr<EncodeReport> report) {
          EXPECT_EQ(report.ok(), picture % 10 != 9) << report.status();
          EXPECT_TRUE(!report.ok() || report->pin.Rows(0, 1).const_data_ptr<float>()[0] == FirstValue(picture));
          done(report.ok() ? StatusOr<EncodeReport>(EncodeReport{}) : report.status());
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (uint32_t t = 0; t < 4; ++t) {
    for (uint32_t i = 0; i < 200; ++i) results_.Of(t * 1000 + i);
  }
  EXPECT_EQ(results_.size(), 800u);
  EXPECT_EQ(batcher_->counters().encoded, 36u) << "some picture was encoded twice";
  EXPECT_EQ(batcher_->in_flight(), 0);
  ExpectConserved();
}

}  // namespace
}  // namespace triptych::vision
