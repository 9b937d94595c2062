#pragma once

#include <utility>  // Asio's awaitable.hpp needs it and does not say so

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/strand.hpp>

namespace triptych {

namespace asio = boost::asio;

// A coroutine's result. Coroutines are named functions that take values, never references to what may die first, and bind each
// co_await to a variable of its own.
template <typename T>
using Task = asio::awaitable<T>;

// Executor of one session or table: what runs on it never runs at the same time.
using Strand = asio::strand<asio::any_io_executor>;

}  // namespace triptych
