#include "netd/api/refusal_log.h"

#include <gmock/gmock.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <sstream>
#include <vector>

namespace netd::api {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Refusals : public ::testing::Test {
 protected:
  /// What `act` logs, without time and level.
  template <class Act>
  static std::vector<std::string> logged(const Act& act) {
    testing::internal::CaptureStderr();
    act();
    std::istringstream log(testing::internal::GetCapturedStderr());
    std::vector<std::string> lines;
    for (std::string line; std::getline(log, line);)
      lines.push_back(line.substr(line.find("msg=")));
    return lines;
  }
  std::vector<std::string> refused(int times, const std::string& address) {
    return logged([&] {
      for (int i = 0; i < times; ++i)
        log_.refused(address, "no certificate");
    });
  }
  /// The interval's timer is what the io_context waits for.
  std::vector<std::string> interval_ends() {
    return logged([&] { io_.run_one(); });
  }

  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      io_.get_executor()};
  RefusalLog log_{io_.get_executor(), 1ms};
};

TEST_F(Refusals, TheFirstIsALineAndTheOthersAreCounted) {
  EXPECT_THAT(refused(3, "192.0.2.7:1"),
              ElementsAre("msg=\"API client refused, TLS\" address=192.0.2.7:1 "
                          "reason=\"no certificate\""));
  EXPECT_THAT(refused(1000, "192.0.2.9:1"), IsEmpty());
  EXPECT_THAT(interval_ends(),
              ElementsAre("msg=\"API clients refused, TLS\" count=1002 address=192.0.2.9:1 "
                          "reason=\"no certificate\""));
}

TEST_F(Refusals, AnIntervalWithoutAnyEndsIt) {
  refused(2, "192.0.2.7:1");
  interval_ends();
  EXPECT_THAT(refused(1, "192.0.2.7:2"), IsEmpty());
  EXPECT_THAT(interval_ends(), ElementsAre("msg=\"API clients refused, TLS\" count=1 "
                                           "address=192.0.2.7:2 reason=\"no certificate\""));
  EXPECT_THAT(interval_ends(), IsEmpty());
  EXPECT_THAT(refused(1, "192.0.2.7:3"),
              ElementsAre("msg=\"API client refused, TLS\" address=192.0.2.7:3 "
                          "reason=\"no certificate\""));
}

TEST_F(Refusals, ClosingTellsWhatIsHeldBackAndLetsGo) {
  refused(2, "192.0.2.7:1");
  EXPECT_THAT(logged([&] { log_.close(); }),
              ElementsAre("msg=\"API clients refused, TLS\" count=1 address=192.0.2.7:1 "
                          "reason=\"no certificate\""));
  EXPECT_THAT(refused(2, "192.0.2.7:1"), IsEmpty());
  work_.reset();
  EXPECT_THAT(logged([&] { io_.run(); }), IsEmpty());
}

}  // namespace
}  // namespace netd::api
