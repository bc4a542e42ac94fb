#include "netd/api/router.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <system_error>

#include "drivers/driver.h"
#include "netd/error.h"

namespace netd::api {
namespace {

Route route(const char* method, const char* pattern) {
  const std::string name = std::string(method) + " " + pattern;
  return {method, pattern, "", [name](const Call& call) {
            return json_response(200, {{"route", name},
                                       {"id", call.id},
                                       {"version", call.version.to_string()},
                                       {"query", call.query}});
          }};
}

Router networks_router() {
  return Router({route("GET", "/networks"), route("GET", "/networks/{id}"),
                 route("POST", "/networks/create"), route("POST", "/networks/{id}/connect")});
}

nlohmann::json ask(const Router& router, const char* method, const std::string& target,
                   int status = 200) {
  Request request;
  request.method = method;
  request.target = target;
  const Response response = router.handle(request);
  EXPECT_EQ(response.status, status) << target;
  return nlohmann::json::parse(response.body);
}

Response answer_body(const std::string& body, std::optional<std::string> type = "application/json",
                     bool chunked = false) {
  const Router router(
      {{"POST", "/echo", "", [](const Call& call) { return json_response(200, call.body()); }}});
  Request request;
  request.method = "POST";
  request.target = "/echo";
  request.content_type = std::move(type);
  request.body = body;
  request.chunked = chunked;
  return router.handle(request);
}

std::string message_of(const Response& response) {
  return nlohmann::json::parse(response.body).at("message").get<std::string>();
}

template <class Thrown>
Response answer_throwing(const Thrown& thrown) {
  const Router router({{"GET", "/x", "", [&](const Call&) -> Response { throw thrown; }}});
  Request request;
  request.method = "GET";
  request.target = "/x";
  return router.handle(request);
}

TEST(MatchPath, LetsAnIdHoldSlashes) {
  EXPECT_EQ(match_path("/networks/{id}/connect", "/networks/a/b/connect"), "a/b");
  EXPECT_EQ(match_path("/networks/{id}", "/networks/a"), "a");
  EXPECT_EQ(match_path("/networks", "/networks"), "");
  EXPECT_FALSE(match_path("/networks/{id}", "/networks/"));
  EXPECT_FALSE(match_path("/networks/{id}/connect", "/networks//connect"));
  EXPECT_FALSE(match_path("/networks/{id}/connect", "/networks/connect"));
}

TEST(Router, FindsRoutesWithAndWithoutVersion) {
  const Router router = networks_router();
  EXPECT_EQ(ask(router, "GET", "/networks")["version"], "1.54");
  EXPECT_EQ(ask(router, "GET", "/v1.24/networks")["version"], "1.24");
  EXPECT_EQ(ask(router, "GET", "/v1.41/networks/a%2Fb")["id"], "a/b");
  EXPECT_EQ(ask(router, "POST", "/networks/create")["route"], "POST /networks/create");
  EXPECT_EQ(ask(router, "GET", "/networks/create")["id"], "create");
  EXPECT_EQ(ask(router, "GET", "/networks?a=b%20c")["query"]["a"], "b c");
  EXPECT_EQ(ask(router, "GET", "/networks/v1.41/x")["id"], "v1.41/x");
}

TEST(Router, RefusesVersionsOutOfRange) {
  const Router router = networks_router();
  EXPECT_EQ(ask(router, "GET", "/v1.23/networks", 400)["message"],
            "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade "
            "your client to a newer version");
  EXPECT_EQ(ask(router, "GET", "/v1.99/networks", 400)["message"],
            "client version 1.99 is too new. Maximum supported API version is 1.54");
}

TEST(Router, DoesNotFindUnknownPathsAndMethods) {
  const Router router = networks_router();
  for (const char* target : {"/", "/x", "/networksx", "", "*", "/v1.41", "/v1.41/", "/vx/networks"})
    EXPECT_EQ(ask(router, "GET", target, 404)["message"], "page not found") << target;
  EXPECT_EQ(ask(router, "PUT", "/networks", 404)["message"], "page not found");
}

TEST(Router, AnswersHeadAsGet) {
  ask(networks_router(), "HEAD", "/networks");
}

TEST(Router, RefusesMalformedEncoding) {
  EXPECT_EQ(ask(networks_router(), "GET", "/networks/%zz", 400)["message"],
            "the path has a malformed percent-encoding");
}

TEST(Router, SaysWhoAnswers) {
  Request request;
  request.method = "GET";
  request.target = "/x";
  const Response response = networks_router().handle(request);
  std::map<std::string, std::string> headers(response.headers.begin(), response.headers.end());
  EXPECT_EQ(headers["Api-Version"], "1.54");
  EXPECT_EQ(headers["Ostype"], "linux");
  EXPECT_EQ(headers["Docker-Experimental"], "false");
  EXPECT_TRUE(headers["Server"].starts_with("netd/"));
}

TEST(Router, TranslatesExceptions) {
  EXPECT_EQ(answer_throwing(Error(ErrorKind::invalid, "m")).status, 400);
  EXPECT_EQ(answer_throwing(Error(ErrorKind::forbidden, "m")).status, 403);
  EXPECT_EQ(answer_throwing(Error(ErrorKind::not_found, "m")).status, 404);
  EXPECT_EQ(answer_throwing(Error(ErrorKind::conflict, "m")).status, 409);
  EXPECT_EQ(answer_throwing(Error(ErrorKind::internal, "m")).status, 500);
  EXPECT_EQ(answer_throwing(Error(ErrorKind::unavailable, "m")).status, 503);
  EXPECT_EQ(answer_throwing(std::invalid_argument("m")).status, 400);
  EXPECT_EQ(answer_throwing(drivers::Refused("m")).status, 403);
  EXPECT_EQ(answer_throwing(std::runtime_error("m")).status, 500);
  EXPECT_EQ(answer_throwing(5).status, 500);
  const Response response =
      answer_throwing(std::system_error(EEXIST, std::system_category(), "create veth nv1"));
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(message_of(response), "create veth nv1: File exists");
}

TEST(Router, EchoesBytesThatAreNoUtf8) {
  const Response response = answer_throwing(Error(ErrorKind::not_found, "network \xff not found"));
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(message_of(response), "network \xEF\xBF\xBD not found");
}

TEST(RequestBody, MayBeAbsent) {
  EXPECT_EQ(answer_body("", std::nullopt).body, "{}\n");
  EXPECT_EQ(answer_body("").body, "{}\n");
}

TEST(RequestBody, NeedsTheJsonContentType) {
  EXPECT_EQ(answer_body("{}", "application/json; charset=utf-8").status, 200);
  EXPECT_EQ(answer_body("{}", "Application/JSON").status, 200);
  const Response plain = answer_body("{}", "text/plain");
  EXPECT_EQ(plain.status, 400);
  EXPECT_EQ(message_of(plain),
            "unsupported Content-Type header (text/plain): must be 'application/json'");
  EXPECT_TRUE(
      message_of(answer_body("{}", std::nullopt)).starts_with("malformed Content-Type header ()"));
  EXPECT_TRUE(message_of(answer_body("{}", "application/"))
                  .starts_with("malformed Content-Type header (application/)"));
}

TEST(RequestBody, HasToBeOneJsonDocument) {
  const Response malformed = answer_body("{invalid json");
  EXPECT_EQ(malformed.status, 400);
  EXPECT_TRUE(message_of(malformed).starts_with("invalid JSON: ")) << message_of(malformed);
  EXPECT_EQ(message_of(answer_body("{} trailing")), "unexpected content after JSON");
  EXPECT_EQ(message_of(answer_body("{}{}")), "unexpected content after JSON");
  EXPECT_EQ(answer_body(" {} \r\n").status, 200);
  EXPECT_EQ(message_of(answer_body("", "application/json", true)),
            "invalid JSON: got EOF while reading request body");
  EXPECT_EQ(answer_body("\"\xff\"").status, 400);
}

TEST(RequestBody, MayBeDeeplyNested) {
  EXPECT_EQ(answer_body(std::string(1000000, '[')).status, 400);
}

TEST(Router, MeasuresOperations) {
  std::string measured;
  const Router router({{"GET", "/x", "op", [](const Call&) { return empty_response(204); }}},
                      [&](const std::string& operation, double seconds) {
                        measured = operation;
                        EXPECT_GE(seconds, 0);
                      });
  Request request;
  request.method = "GET";
  request.target = "/x";
  router.handle(request);
  EXPECT_EQ(measured, "op");
}

}  // namespace
}  // namespace netd::api
