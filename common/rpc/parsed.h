#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>

namespace triptych {

// A request as a public method receives it: also one that does not parse, or has a string that is not UTF-8, reaches the method, which can say
// what is wrong. gRPC itself would answer UNIMPLEMENTED without a word. A service marks its methods with it in its constructor:
//
//   MarkMethodCallback(0, new grpc::internal::CallbackUnaryHandler<Parsed<Q>, R>(...));
template <typename Message>
struct Parsed {
  Message message;
  bool well_formed = true;
};

}  // namespace triptych

template <typename Message>
class grpc::SerializationTraits<triptych::Parsed<Message>> {
 public:
  static Status Deserialize(ByteBuffer* buffer, triptych::Parsed<Message>* parsed) {
    parsed->well_formed = SerializationTraits<Message>::Deserialize(buffer, &parsed->message).ok();
    if (!parsed->well_formed) parsed->message.Clear();
    return Status::OK;
  }
};
