// The embedded DNS server: one UDP socket and one TCP listener at 127.0.0.11 in each sandbox, all
// served by one thread of its own. The container reaches them at port 53 through the stateless
// rewrite of sandbox::RedirectDns.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "dns/listen_sockets.h"
#include "dns/listeners.h"
#include "dns/zone.h"

namespace dns {

struct Statistics {
  std::uint64_t queries = 0;
  std::uint64_t local = 0;      // answered from a zone (NODATA included)
  std::uint64_t forwarded = 0;  // sent to an upstream
  std::uint64_t failed = 0;     // SERVFAIL, REFUSED, FORMERR
};

/// All calls come from the control thread; answers come from the server's own thread.
class Server final : public Listeners {
 public:
  Server();
  ~Server() override;  // closes all listeners, joins the thread
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t open(const std::string& sandbox_id, const std::string& netns, View view,
                     std::uint16_t wanted = preferred_port) override;
  void open_gateway(const std::string& network_id, const ipam::Address& address,
                    const std::string& device, View view) override;
  void open_service(const std::string& network_id, const std::string& netns,
                    const ipam::Address& address, const std::string& device, View view) override;
  void update(const std::string& sandbox_id, View view) override;
  void close(const std::string& sandbox_id) override;
  bool is_open(const std::string& sandbox_id) const;

  Statistics statistics() const;

 private:
  std::uint16_t start(const std::string& id, const std::string& netns, const ListenPlace& place,
                      View view);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dns
