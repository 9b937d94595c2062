#include "worker/vision/guarded.h"

#include <exception>
#include <new>

#include <c10/util/Exception.h>

#include "spdlog/spdlog.h"

namespace triptych::vision {

Status Guarded(std::string_view what, const std::function<Status()>& body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return ResourceExhausted("out of memory in {}", what);
  } catch (const c10::OutOfMemoryError&) {
    return ResourceExhausted("out of memory in {}", what);
  } catch (const c10::Error& error) {
    spdlog::error("{} failed: {}", what, error.what_without_backtrace());
  } catch (const std::exception& error) {
    spdlog::error("{} failed: {}", what, error.what());
  }
  return Internal("{} failed", what);
}

}  // namespace triptych::vision
