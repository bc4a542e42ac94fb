// What the kernel tests of sandbox/ share: a LinuxKernel in a fresh namespace, and one endpoint as
// the bridge driver plans it.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/fd.h"
#include "sandbox/linux_kernel.h"
#include "tests/support/namespace_test.h"

namespace tests {

class KernelTest : public NamespaceTest {
 protected:
  void SetUp() override;

  sandbox::LinuxKernel& kernel() { return *kernel_; }
  /// As when netd is killed and started again.
  void restart_kernel();

  void apply(const std::vector<sandbox::Step>& steps);
  void revert(const std::vector<sandbox::Step>& steps);  // last first

  /// What `ip -j ARGUMENTS` prints, in the namespace pinned at `netns` or the host.
  static nlohmann::json ip(const std::string& arguments, const std::string& netns = "");
  /// Names of the host's links, dying ones too.
  static std::vector<std::string> host_links();
  /// Returns when the link's operational state is "UP"; fails the test after two seconds.
  static void await_carrier(const std::string& link, const std::string& netns = "");

 private:
  std::optional<sandbox::LinuxKernel> kernel_;
};

/// A packet socket that sees what passes link `index` of the calling thread's namespace.
sandbox::Fd open_capture(std::uint32_t index);
/// The next frame with that EtherType as lower-case hex, or "" when none comes within a second.
std::string next_frame(const sandbox::Fd& capture, std::uint16_t ether_type);

/// Steps of a network and an endpoint on it: br0 (index 100), nv1 (index 101) and eth0 (index 2) in
/// the namespace pinned at /run/ns1.
sandbox::CreateBridge bridge_step();
sandbox::CreateVeth veth_step();
sandbox::PinNamespace pin_step();

}  // namespace tests
