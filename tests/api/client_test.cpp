#include "netd/client/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

#include "tests/api/server_fixture.h"

namespace netd::client {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Client = netd::client::Client;

using ClientTest = tests::ServerTest;

TEST_F(ClientTest, SendsRequestsAndReadsAnswers) {
  start({}, [](const api::Request& request) {
    return api::json_response(201, {{"method", request.method},
                                    {"target", request.target},
                                    {"type", request.content_type.value_or("none")},
                                    {"body", request.body}});
  });
  Client netd("unix://" + path_);
  const nlohmann::json body{{"Name", "shop"}};
  const Response created = netd.request("POST", "/networks/create", &body);
  EXPECT_EQ(created.status, 201);
  EXPECT_TRUE(created.ok());
  EXPECT_EQ(created.json()["body"], "{\"Name\":\"shop\"}");
  EXPECT_EQ(created.json()["type"], "application/json");
  EXPECT_EQ(netd.request("GET", "/x?y").json()["target"], "/x?y");
  EXPECT_EQ(connections(), 1u);
}

TEST_F(ClientTest, ReadsEmptyAnswers) {
  start({}, [](const api::Request&) { return api::empty_response(204); });
  Client netd("unix://" + path_);
  EXPECT_EQ(netd.request("DELETE", "/x").status, 204);
  EXPECT_TRUE(netd.request("DELETE", "/x").json().is_null());
  EXPECT_EQ(netd.request("HEAD", "/x").status, 204);
}

TEST_F(ClientTest, ConnectsAgainWhenTheDaemonHungUp) {
  start({.idle_timeout = 20ms});
  Client netd("unix://" + path_);
  EXPECT_EQ(netd.request("GET", "/x").status, 200);
  // Who falls silent later is hung up on later.
  const int later = connect_raw();
  send_all(later, "GET /x HTTP/1.1\r\nHost: netd\r\n\r\n");
  read_all(later);
  close(later);
  EXPECT_EQ(netd.request("GET", "/x").status, 200);
}

TEST_F(ClientTest, ReadsErrorsMessages) {
  start({}, [](const api::Request&) { return api::error_response(404, "network x not found"); });
  Client netd("unix://" + path_);
  EXPECT_EQ(netd.request("GET", "/networks/x").message(), "network x not found");
}

TEST_F(ClientTest, ReadsTheAnswerToARefusedBody) {
  start({.body_bytes = 1000});
  Client netd("unix://" + path_);
  const nlohmann::json body(std::string(3000000, 'a'));
  EXPECT_EQ(netd.request("POST", "/x", &body).status, 413);
}

TEST_F(ClientTest, StreamsLines) {
  auto queue = std::make_shared<api::LineQueue>(10, "");
  queue->push("{\"a\":1}\n{\"a\":2}\n");
  queue->push("{\"a\":3}\n");
  start({}, [&](const api::Request&) {
    return api::Response{.status = 200, .content_type = "application/json", .lines = queue};
  });
  Client netd("unix://" + path_);
  std::vector<std::string> lines;
  netd.stream("/events", [&](std::string_view line) {
    lines.emplace_back(line);
    return lines.size() < 2;
  });
  EXPECT_THAT(lines, ElementsAre("{\"a\":1}", "{\"a\":2}"));
  queue->close();
}

TEST_F(ClientTest, ReturnsARefusedStreamWhole) {
  start({}, [](const api::Request&) { return api::error_response(400, "no"); });
  Client netd("unix://" + path_);
  const Response response = netd.stream("/events", [](std::string_view) { return true; });
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.message(), "no");
}

TEST_F(ClientTest, GivesUpAtItsDeadline) {
  std::promise<void> release;
  start({}, [&](const api::Request&) {
    release.get_future().wait();
    return api::empty_response(200);
  });
  Client netd("unix://" + path_, 50ms);
  EXPECT_THROW(netd.request("GET", "/x"), std::runtime_error);
  release.set_value();
}

TEST(Client, SaysThatNobodyListens) {
  Client netd("unix:///nonexistent/netd.sock");
  try {
    netd.request("GET", "/x");
    FAIL() << "no exception";
  } catch (const NoDaemon& error) {
    EXPECT_STREQ(error.what(),
                 "cannot connect to unix:///nonexistent/netd.sock: No such file or directory");
  }
}

TEST(Client, RefusesAddressesItDoesNotKnow) {
  EXPECT_THROW(Client("http://x"), std::invalid_argument);
  EXPECT_THROW(Client("unix://relative"), std::invalid_argument);
  EXPECT_THROW(Client("unix:///" + std::string(200, 'a')), std::invalid_argument);
}

TEST(Client, EncodesSegments) {
  EXPECT_EQ(encode("a/b c~é"), "a%2Fb%20c~%C3%A9");
}

}  // namespace
}  // namespace netd::client
