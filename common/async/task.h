#pragma once

#include <utility>  // Asio's awaitable.hpp needs it and does not say so

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/strand.hpp>

namespace triptych {

namespace asio = boost::asio;

// A coroutine's result. g++ 12 miscompiles some coroutines, hence three rules: coroutines are named functions that take values, never
// references to what may die first; each co_await stands alone, bound to a variable; and a call with temporaries among its
// arguments is first bound to a Task, then awaited, because temporaries in an awaiting expression are destroyed twice:
//   Task<Status> task = Run(std::move(handler), std::string(name));
//   const Status status = co_await std::move(task);
template <typename T>
using Task = asio::awaitable<T>;

// Executor of one session or table: what runs on it never runs at the same time.
using Strand = asio::strand<asio::any_io_executor>;

}  // namespace triptych
