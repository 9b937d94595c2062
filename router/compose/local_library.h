#pragma once

#include <memory>
#include <string>

#include <boost/asio/thread_pool.hpp>

#include "common/picture_index/picture_index.h"
#include "router/compose/picture_library.h"

namespace triptych::router {

// A library on this machine's disk, made by `triptych library add`; it may grow while it is used.
// Searches run on a thread of their own.
class LocalLibrary final : public PictureLibrary {
 public:
  static StatusOr<std::unique_ptr<LocalLibrary>> Open(
      const std::string& folder);  // kFailedPrecondition names the folder
  ~LocalLibrary() override { thread_.join(); }

  Task<StatusOr<std::vector<LibraryPicture>>> Search(PictureQuery query) override;

 private:
  explicit LocalLibrary(std::unique_ptr<PictureIndex> index) : index_(std::move(index)) {}
  StatusOr<std::vector<LibraryPicture>> SearchNow(const PictureQuery& query);

  const std::unique_ptr<PictureIndex> index_;  // used on thread_
  asio::thread_pool thread_{1};
};

}  // namespace triptych::router
