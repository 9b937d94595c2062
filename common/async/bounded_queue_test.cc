#include "common/async/bounded_queue.h"

#include <thread>

#include "gtest/gtest.h"

namespace triptych {
namespace {

TimePoint Far() { return std::chrono::steady_clock::now() + std::chrono::seconds(30); }

TEST(BoundedQueue, RefusesWhenFullAndKeepsOrder) {
  BoundedQueue<int> queue(2);
  EXPECT_TRUE(queue.TryPush(1));
  EXPECT_TRUE(queue.TryPush(2));
  EXPECT_FALSE(queue.TryPush(3));
  EXPECT_EQ(queue.TryPop(), 1);
  EXPECT_TRUE(queue.TryPush(3));
  EXPECT_EQ(queue.TryPop(), 2);
  EXPECT_EQ(queue.TryPop(), 3);
  EXPECT_EQ(queue.TryPop(), std::nullopt);
}

TEST(BoundedQueue, CloseWakesAndLetsTheRestOut) {
  BoundedQueue<int> queue(4);
  std::thread closer([&] {
    EXPECT_TRUE(queue.TryPush(7));
    queue.Close();
  });
  EXPECT_EQ(queue.PopUntil(Far()), 7);
  EXPECT_EQ(queue.PopUntil(Far()), std::nullopt);
  EXPECT_FALSE(queue.TryPush(8));
  closer.join();
}

TEST(BoundedQueue, ADeadlineEndsTheWait) {
  BoundedQueue<int> queue(1);
  EXPECT_EQ(queue.PopUntil(std::chrono::steady_clock::now()), std::nullopt);
}

}  // namespace
}  // namespace triptych
