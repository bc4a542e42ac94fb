// What an answer of gRPC means for the call: etcd's codes (its api/v3rpc/rpctypes/error.go) and
// gRPC's own. Pure.
#pragma once

#include <grpcpp/support/status.h>

#include <string>

#include "netd/store.h"

namespace netd::etcd {

enum class Fate {
  refused,  // etcd answered, and that is final
  unmade,   // nothing was changed: another member may do it
  unsure,   // the answer was lost, or etcd itself doesn't know
};

struct Verdict {
  Fate fate;
  StoreError::Kind kind;    // to say if nobody does better
  bool leaderless = false;  // the member has no leader: there will be one soon
};

/// Of a status that isn't OK.
Verdict judge(const grpc::Status& status);

/// The part of gRPC's text that a person can use: "Connection refused".
std::string readable(const grpc::Status& status);

}  // namespace netd::etcd
