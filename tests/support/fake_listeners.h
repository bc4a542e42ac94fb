// The embedded DNS server without sockets: remembers which sandboxes listen and what they see.
#pragma once

#include <map>
#include <string>

#include "dns/listeners.h"

namespace tests {

class FakeListeners : public dns::Listeners {
 public:
  std::uint16_t open(const std::string& sandbox_id, const std::string&, dns::View view,
                     std::uint16_t wanted) override {
    zones_at_open[sandbox_id] = view.zones.size();
    views.insert_or_assign(sandbox_id, std::move(view));
    return wanted;
  }
  void open_gateway(const std::string& network_id, const ipam::Address& address,
                    const std::string& device, dns::View view) override {
    gateways.insert_or_assign(network_id, address.to_string() + " on " + device);
    views.insert_or_assign(network_id, std::move(view));
  }
  void open_service(const std::string& network_id, const std::string& netns,
                    const ipam::Address& address, const std::string& device,
                    dns::View view) override {
    gateways.insert_or_assign(network_id, address.to_string() + " on " + device + " in " + netns);
    views.insert_or_assign(network_id, std::move(view));
  }
  void update(const std::string& sandbox_id, dns::View view) override {
    if (const auto found = views.find(sandbox_id); found != views.end())
      found->second = std::move(view);
  }
  void close(const std::string& sandbox_id) override {
    views.erase(sandbox_id);
    gateways.erase(sandbox_id);
  }

  std::map<std::string, dns::View> views;       // by sandbox id
  std::map<std::string, std::string> gateways;  // by network id: "10.5.0.1 on br-…"
  std::map<std::string, std::size_t> zones_at_open;
};

}  // namespace tests
