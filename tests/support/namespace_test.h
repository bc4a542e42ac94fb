// A fixture for everything that touches the kernel: a fresh network and mount namespace for each
// test, a tmpfs on /run, lo up. Nothing a test does here can reach the machine.
#pragma once

#include <gtest/gtest.h>

#include <string>

namespace tests {

class NamespaceTest : public ::testing::Test {
 protected:
  void SetUp() override { enter_fresh_namespaces(); }

  /// The calling thread gets new network and mount namespaces; the old ones go with their last
  /// user.
  static void enter_fresh_namespaces();
  /// Runs a shell command (iproute2, nft: tests only) and returns what it printed; fails the test
  /// when it exits non-zero.
  static std::string shell(const std::string& command);
};

}  // namespace tests
