#include "tests/fakes/safetensors_writer.h"

#include "common/check.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace triptych::fakes {
namespace {

std::string_view DtypeName(at::ScalarType dtype) {
  switch (dtype) {
    case at::kBFloat16:
      return "BF16";
    case at::kHalf:
      return "F16";
    case at::kFloat:
      return "F32";
    case at::kLong:
      return "I64";
    case at::kInt:
      return "I32";
    case at::kShort:
      return "I16";
    case at::kChar:
      return "I8";
    case at::kByte:
      return "U8";
    default:
      TRIPTYCH_CHECK(false);
  }
  return {};
}

}  // namespace

SafetensorsWriter& SafetensorsWriter::Add(std::string_view name, const at::Tensor& tensor) {
  const at::Tensor stored = tensor.contiguous();
  const size_t begin = data_.size();
  data_.append(static_cast<const char*>(stored.const_data_ptr()), stored.nbytes());
  entries_ += fmt::format(R"({}"{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                          entries_.empty() ? "" : ",",
                          name,
                          DtypeName(stored.scalar_type()),
                          fmt::join(stored.sizes(), ","),
                          begin,
                          data_.size());
  return *this;
}

std::string SafetensorsWriter::Bytes() const {
  return SafetensorsBytes("{" + entries_ + "}", data_);
}

std::string SafetensorsBytes(std::string_view header, std::string_view data) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(header.size() >> (8 * i) & 0xff));
  return bytes.append(header).append(data);
}

}  // namespace triptych::fakes
