// An upstream DNS server that does what a test tells it: UDP and TCP at port 53 of an address of
// the calling thread's namespace.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "sandbox/fd.h"
#include "tests/dns/packets.h"

namespace tests {

class ScriptedUpstream {
 public:
  /// The responses to a query, none for silence. Called on the server's own thread.
  using Script = std::function<std::vector<Bytes>(const Bytes& query, bool is_tcp)>;

  ScriptedUpstream(const std::string& address, Script script);
  ~ScriptedUpstream();
  ScriptedUpstream(const ScriptedUpstream&) = delete;
  ScriptedUpstream& operator=(const ScriptedUpstream&) = delete;

  int queries() const { return queries_; }

 private:
  void run();
  void serve_udp();
  void serve_tcp();

  Script script_;
  sandbox::Fd udp_;
  sandbox::Fd tcp_;
  sandbox::Fd stop_;
  std::atomic<int> queries_ = 0;
  std::thread thread_;
};

/// A response to `query` with these records.
Bytes respond(const Bytes& query, int rcode, const std::vector<Bytes>& answers = {},
              const std::vector<Bytes>& additional = {});
/// An A record of the question's name.
Bytes a_record(const std::string& address);
bool has_opt(const Bytes& query);

}  // namespace tests
