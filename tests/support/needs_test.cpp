#include "tests/support/needs.h"

#include <gtest/gtest.h>

#include <cctype>
#include <string>

namespace tests {
namespace {

class Needs : public ::testing::TestWithParam<Feature> {};

// The promise that everything else rests on: what is skipped here runs there.
TEST_P(Needs, TheSecondKernelHasIt) {
  if (lacks(GetParam())) return;
  EXPECT_TRUE(has(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Features, Needs,
                         testing::Values(Feature::bridge_vlans, Feature::dummy, Feature::ipvlan,
                                         Feature::sctp, Feature::vlan, Feature::vrf),
                         [](const auto& parameter) {
                           std::string word;
                           for (const char c : name(parameter.param))
                             if (std::isalnum(static_cast<unsigned char>(c))) word += c;
                           return word;
                         });

}  // namespace
}  // namespace tests
