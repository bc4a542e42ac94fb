// What netctl tells: listings, the picture, events, errors.
#include <gmock/gmock.h>

#include "tests/e2e/end_to_end.h"

namespace e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Observing : public EndToEnd {
 protected:
  void SetUp() override {
    EndToEnd::SetUp();
    shell("netctl network create --subnet 10.5.0.0/24 shop");
    shell("netctl sandbox create --network shop:ip=10.5.0.10 -p 8080:80 web");
  }
};

TEST_F(Observing, TheTopologyShowsWhoIsWhere) {
  const std::string picture = shell("netctl topology");
  EXPECT_THAT(picture, AllOf(HasSubstr("bridge shop"), HasSubstr("10.5.0.1/24"), HasSubstr("web"),
                             HasSubstr("10.5.0.10"), HasSubstr("8080→80/tcp")));
}

TEST_F(Observing, PortsAreTold) {
  EXPECT_THAT(shell("netctl port web"), HasSubstr("80/tcp -> 0.0.0.0:8080"));
}

TEST_F(Observing, EventsUntilNowAreTold) {
  EXPECT_THAT(shell("netctl events"), AllOf(HasSubstr("create"), HasSubstr("shop")));
  EXPECT_THAT(shell("netctl events --filter type=network --filter event=connect --format json"),
              HasSubstr("\"Action\":\"connect\""));
}

TEST_F(Observing, ListingsAreQuietForScripts) {
  EXPECT_EQ(shell("netctl network ls -q --filter type=custom | wc -l"), "1\n");
  EXPECT_EQ(shell("netctl sandbox ls --format json | jq -r '.[].Name'"), "web\n");
}

TEST_F(Observing, InfoCounts) {
  EXPECT_THAT(shell("netctl system info"),
              AllOf(HasSubstr("Networks: 4"), HasSubstr("Sandboxes: 1")));
}

TEST_F(Observing, ExitStatusSaysWhatKindOfFailure) {
  EXPECT_EQ(attempt("netctl network inspect nowhere").status, 1);
  EXPECT_EQ(attempt("netctl network create --subnet").status, 2);
  EXPECT_EQ(attempt("netctl -H unix:///run/nobody.sock network ls").status, 3);
}

TEST_F(Observing, ACommandsExitStatusIsExecs) {
  EXPECT_EQ(attempt("netctl sandbox exec web -- sh -c 'exit 7'").status, 7);
  EXPECT_EQ(attempt("netctl sandbox exec nobody -- true").status, 1);
}

}  // namespace
}  // namespace e2e
