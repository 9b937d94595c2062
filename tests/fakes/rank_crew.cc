#include "tests/fakes/rank_crew.h"

#include <exception>
#include <mutex>
#include <thread>

#include "worker/comm/local.h"

namespace triptych::fakes {

RankCrew::RankCrew(int size) : communicators_(comm::MakeLocalGroup(size)) {}

void RankCrew::Run(const std::function<void(comm::Communicator&)>& body) {
  std::mutex mutex;
  std::exception_ptr first;
  std::vector<std::thread> threads;
  for (const auto& communicator : communicators_) {
    threads.emplace_back([&] {
      try {
        body(*communicator);
      } catch (const std::exception& error) {
        const std::lock_guard lock(mutex);
        if (first == nullptr) first = std::current_exception();
        communicator->Abort(Internal("{}", error.what()));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (first != nullptr) std::rethrow_exception(first);
}

}  // namespace triptych::fakes
