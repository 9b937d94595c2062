#pragma once

#include <optional>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "common/async/task.h"

namespace triptych::fakes {

template <typename T>
Task<void> KeepResult(Task<T> task, std::optional<T>* result, asio::io_context* context) {
  T value = co_await std::move(task);
  result->emplace(std::move(value));
  context->stop();
}

// Runs a coroutine to its end on this thread.
template <typename T>
T RunTask(Task<T> task) {
  asio::io_context context;
  const auto work = asio::make_work_guard(context);
  std::optional<T> result;
  asio::co_spawn(context, KeepResult<T>(std::move(task), &result, &context), asio::detached);
  context.run();
  return *std::move(result);
}

}  // namespace triptych::fakes
