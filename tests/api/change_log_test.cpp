// Every change is one line in the log, with who asked for it.
#include "netd/api/change_log.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "netd/plugin/serve.h"
#include "tests/api/routes_fixture.h"

namespace netd::api {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::SizeIs;

const Peer local{.pid = 4711, .uid = 1000, .gid = 1000, .address = {}, .certificate = {}};
const Peer remote{.address = "192.0.2.2:51022", .certificate = "alice"};

/// What `act` logs of changes, line by line, without time and level.
template <class Act>
std::vector<std::string> changes_logged(const Act& act) {
  testing::internal::CaptureStderr();
  act();
  std::istringstream log(testing::internal::GetCapturedStderr());
  std::vector<std::string> lines;
  for (std::string line; std::getline(log, line);)
    if (const auto at = line.find("msg=\"API request\""); at != std::string::npos)
      lines.push_back(line.substr(at));
  return lines;
}

Request request(const std::string& method, const std::string& target, const Peer& peer,
                const json& body = nullptr) {
  Request asked;
  asked.method = method;
  asked.target = target;
  asked.peer = peer;
  if (body.is_null()) return asked;
  asked.content_type = "application/json";
  asked.body = body.dump();
  return asked;
}

class ChangeLog : public tests::RoutesTest {
 protected:
  void SetUp() override {
    RoutesTest::SetUp();
    router_ = std::make_unique<Router>(make_router(context(), plugin::plugin_routes(context())));
  }
  /// The one line of a request.
  std::string line(const std::string& method, const std::string& target, const Peer& peer,
                   const json& body = nullptr) {
    const auto lines =
        changes_logged([&] { router_->handle(request(method, target, peer, body)); });
    EXPECT_THAT(lines, SizeIs(1)) << method << ' ' << target;
    return lines.empty() ? "" : lines[0];
  }

  std::unique_ptr<Router> router_;
};

TEST_F(ChangeLog, NamesALocalCallersProcessAndUserForEachChange) {
  const json shop = {{"Name", "shop"}};
  const json web = {{"Name", "web"}};
  const json container = {{"Container", "web"}};
  const std::string who = " pid=4711 uid=1000 ms=[0-9]+";
  EXPECT_THAT(line("POST", "/v1.41/networks/create", local, shop),
              MatchesRegex("msg=\"API request\" operation=network_create object=[0-9a-f]{12} "
                           "path=/networks/create status=201" +
                           who));
  EXPECT_THAT(line("POST", "/sandboxes", local, web),
              MatchesRegex(".* operation=sandbox_create object=[0-9a-f]{12} path=/sandboxes "
                           "status=201" +
                           who));
  EXPECT_THAT(line("POST", "/networks/shop/connect", local, container),
              MatchesRegex(".* operation=connect object=shop path=/networks/shop/connect "
                           "status=200" +
                           who));
  EXPECT_THAT(line("POST", "/sandboxes/web/ports", local, json::object()),
              MatchesRegex(".* operation=ports object=web .* status=200" + who));
  EXPECT_THAT(line("POST", "/networks/shop/disconnect", local, container),
              MatchesRegex(".* operation=disconnect object=shop .* status=200" + who));
  EXPECT_THAT(line("DELETE", "/sandboxes/web", local),
              MatchesRegex(".* operation=sandbox_remove object=web .* status=204" + who));
  EXPECT_THAT(line("DELETE", "/networks/shop", local),
              MatchesRegex(".* operation=network_remove object=shop .* status=204" + who));
  for (const char* target : {"/networks/prune", "/system/prune", "/system/purge"})
    EXPECT_THAT(line("POST", target, local), MatchesRegex(".* status=200" + who)) << target;
}

TEST_F(ChangeLog, NamesARemoteCallersAddressAndCertificate) {
  EXPECT_THAT(line("POST", "/networks/create", remote, {{"Name", "shop"}}),
              MatchesRegex(".* path=/networks/create status=201 address=192.0.2.2:51022 "
                           "certificate=alice ms=[0-9]+"));
  EXPECT_THAT(line("DELETE", "/networks/shop", remote),
              MatchesRegex(".* status=204 address=192.0.2.2:51022 certificate=alice ms=[0-9]+"));
}

TEST_F(ChangeLog, TellsOfRefusedChangesToo) {
  EXPECT_THAT(line("DELETE", "/networks/nobody", local), HasSubstr(" status=404 pid=4711 "));
  EXPECT_THAT(line("POST", "/networks/create", local, {{"Name", ""}}), HasSubstr(" status=400 "));
}

TEST_F(ChangeLog, QuestionsAreNoChanges) {
  EXPECT_THAT(changes_logged([&] {
                router_->handle(request("GET", "/networks", local));
                router_->handle(request("HEAD", "/networks", local));
              }),
              IsEmpty());
}

TEST_F(ChangeLog, AnEnginesCallsAreQuietUnlessTheyFail) {
  EXPECT_THAT(changes_logged([&] { router_->handle(request("POST", "/Plugin.Activate", local)); }),
              IsEmpty());
  testing::internal::CaptureStderr();
  router_->handle(request("POST", "/IpamDriver.ReleasePool", local, {{"PoolID", 5}}));
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("level=warn msg=\"refused an engine\" method=IpamDriver.ReleasePool "
                        "pid=4711 why="));
}

Route slow_route(std::chrono::milliseconds quiet_below) {
  return {.method = "POST",
          .pattern = "/x",
          .operation = "x",
          .handler = [](const Call&) { return empty_response(200); },
          .quiet_below = quiet_below};
}

TEST(ChangeLogLevel, IsInfoForWhatTookLong) {
  const auto lines_with = [](std::chrono::milliseconds quiet_below) {
    const Router router({slow_route(quiet_below)});
    return changes_logged([&] { router.handle(request("POST", "/x", local)); });
  };
  EXPECT_THAT(lines_with(1h), IsEmpty());
  EXPECT_THAT(lines_with(0ms), SizeIs(1));
}

TEST(ChangeLogLater, WaitsForTheAnswer) {
  std::function<void(Response)> finish;
  const Router router({{"DELETE", "/networks/{id}", "network_remove", [&](const Call&) {
                          Response response;
                          response.later = [&](std::function<void(Response)> done) {
                            finish = std::move(done);
                          };
                          return response;
                        }}});
  Response answered;
  EXPECT_THAT(
      changes_logged([&] {
        router.handle(request("DELETE", "/networks/net", local)).later([&](Response answer) {
          answered = std::move(answer);
        });
      }),
      IsEmpty());
  const auto lines = changes_logged([&] { finish(error_response(500, "the plugin is dead")); });
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_THAT(lines[0], HasSubstr(" object=net path=/networks/net status=500 pid=4711 uid=1000 "));
  EXPECT_EQ(answered.status, 500);
}

}  // namespace
}  // namespace netd::api
