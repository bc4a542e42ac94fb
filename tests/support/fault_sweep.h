// The proof that a transition is all or nothing: its 1st, 2nd, … last step fails, and each time the
// kernel has to end as it began.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "sandbox/kernel.h"
#include "sandbox/plan.h"
#include "tests/support/fake_kernel.h"

namespace tests {

/// Any kernel, the real one too, with faults. Everything but apply goes straight through.
class FaultyKernel : public sandbox::Kernel {
 public:
  explicit FaultyKernel(sandbox::Kernel& kernel) : kernel_(kernel) {}

  /// The `nth` apply from now (1 = the next) throws EIO and does nothing; 0 = none.
  void fail_at(std::size_t nth) { fail_in_ = nth; }

  void apply(const sandbox::Step& step) override;
  void revert(const sandbox::Step& step) override { kernel_.revert(step); }
  std::optional<sandbox::LinkFacts> find_link(const sandbox::Netns& netns,
                                              const std::string& name) override {
    return kernel_.find_link(netns, name);
  }
  std::optional<sandbox::Vxlan> find_vxlan(const std::string& name) override {
    return kernel_.find_vxlan(name);
  }
  std::vector<std::string> link_names(const sandbox::Netns& netns) override {
    return kernel_.link_names(netns);
  }
  std::vector<ipam::Prefix> on_link_routes() override { return kernel_.on_link_routes(); }
  std::optional<std::string> read_sysctl(const sandbox::Netns& netns,
                                         const std::string& key) override {
    return kernel_.read_sysctl(netns, key);
  }
  bool is_pinned(const std::string& path) override { return kernel_.is_pinned(path); }
  bool is_namespace(const std::string& path, const sandbox::Netns& netns) override {
    return kernel_.is_namespace(path, netns);
  }
  void replace_firewall(const std::vector<sandbox::Element>& elements) override {
    kernel_.replace_firewall(elements);
  }
  void remove_firewall() override { kernel_.remove_firewall(); }
  void forget_flows(const std::vector<ipam::Address>& addresses,
                    const std::vector<sandbox::Element>& ports) override {
    kernel_.forget_flows(addresses, ports);
  }
  void sweep(const sandbox::Netns& netns) override { kernel_.sweep(netns); }
  bool has_link_kind(const std::string& kind) override { return kernel_.has_link_kind(kind); }
  std::size_t dying_links() override { return kernel_.dying_links(); }
  void drain() override { kernel_.drain(); }
  void advertise(std::uint32_t bridge_index, const ipam::Mac& mac,
                 const std::vector<ipam::Address>& addresses, int count, int interval_ms) override {
    kernel_.advertise(bridge_index, mac, addresses, count, interval_ms);
  }
  sandbox::Peers& peers() override { return kernel_.peers(); }
  sandbox::Wireguard& wireguard() override { return kernel_.wireguard(); }

 private:
  sandbox::Kernel& kernel_;
  std::size_t fail_in_ = 0;
};

/// Brings the kernel from nothing to `from`; then fails the 1st, 2nd, … step of the way to `to`,
/// each time expecting the state unchanged; goes to `to`, back to `from` and to nothing, expecting
/// the states of before. Failures are reported through gtest. Returns how many steps failed: all
/// that `to` adds.
///
/// `state` dumps what plans can have made (after drain()); `fail_at` arms the fault.
std::size_t sweep(sandbox::Kernel& kernel, const sandbox::Plan& from, const sandbox::Plan& to,
                  const std::function<void(std::size_t)>& fail_at,
                  const std::function<std::string()>& state);

std::size_t sweep(FakeKernel& kernel, const sandbox::Plan& from, const sandbox::Plan& to);

}  // namespace tests
