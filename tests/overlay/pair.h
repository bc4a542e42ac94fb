// Two hosts with a network "shop" of a container each: web on host 1, db on host 2.
#pragma once

#include <string>

#include "tests/overlay/cluster.h"

namespace overlay {

class Pair : public Cluster {
 protected:
  void SetUp() override {
    Cluster::SetUp();
    make_pair();
  }
  /// From web to db.
  static Pings pings() { return Pings(netns_of(1, "web"), address_of(2, "db"), "/run/pings.log"); }
  static bool creates(int host, const std::string& name) {
    return attempt_on(host, "netctl sandbox create --network shop " + name).status == 0;
  }
  /// Whether a name is known in a sandbox, within some seconds.
  static bool hears(int host, const std::string& from, const std::string& name) {
    return within(10, [&] { return attempt_in(host, from, "getent hosts " + name).status == 0; });
  }
  static bool reaches(int host, const std::string& from, const std::string& address) {
    return attempt_in(host, from, ping(address)).status == 0;
  }
};

}  // namespace overlay
