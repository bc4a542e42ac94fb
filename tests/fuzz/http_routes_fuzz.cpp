// A request through the router into the readers of every body: "METHOD TARGET\nCONTENT-TYPE\nBODY".
// Whatever it is, the answer is well-formed JSON with a status the reference knows.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "netd/api/engine_json.h"
#include "netd/api/filters.h"
#include "netd/api/router.h"
#include "netd/api/sandbox_json.h"
#include "netd/api/times.h"
#include "netd/ipam_check.h"

namespace {

using namespace netd::api;

/// What the real handlers read, without a controller behind them.
Response read_network(const Call& call) {
  const auto body = call.body();
  const auto spec = read_network_spec({body, ""});
  return json_response(201,
                       {{"name", spec.name}, {"problems", netd::check_pools(spec.pools, true)}});
}

Response read_connect(const Call& call) {
  const auto json = call.body();
  const JsonObject body(json, "");
  read_endpoint_spec(body.object("EndpointConfig"));
  return json_response(200, {{"id", call.id}, {"force", body.flag("Force")}});
}

Response read_sandbox(const Call& call) {
  const auto body = call.body();
  return json_response(201, {{"name", read_sandbox_spec({body, ""}).name}});
}

Response read_ports(const Call& call) {
  const auto json = call.body();
  const JsonObject body(json, "");
  read_port_bindings(body.object("Add"), EmptyBindings::nothing);
  read_port_bindings(body.object("Remove"), EmptyBindings::all);
  return json_response(200, {{"id", call.id}});
}

Response read_query(const Call& call) {
  const auto filters = Filters::parse(call.parameter("filters"));
  parse_time(call.parameter("since"), 0);
  parse_time(call.parameter("until"), 1'700'000'000'000'000'000);
  return json_response(200, {{"id", call.id}, {"flag", call.flag("verbose")}});
}

const Router& router() {
  static const Router instance({{"GET", "/networks", "", read_query},
                                {"GET", "/networks/{id}", "", read_query},
                                {"GET", "/events", "", read_query},
                                {"POST", "/networks/create", "", read_network},
                                {"POST", "/networks/{id}/connect", "", read_connect},
                                {"POST", "/networks/{id}/disconnect", "", read_connect},
                                {"POST", "/sandboxes", "", read_sandbox},
                                {"POST", "/sandboxes/{id}/ports", "", read_ports}});
  return instance;
}

/// Takes a line off the front of `text`.
std::string take_line(std::string& text) {
  const std::size_t end = text.find('\n');
  std::string line = text.substr(0, end);
  text.erase(0, end == std::string::npos ? end : end + 1);
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  const std::string first = take_line(text);
  const std::size_t space = first.find(' ');
  Request request;
  request.method = first.substr(0, space);
  request.target = space == std::string::npos ? "" : first.substr(space + 1);
  request.content_type = take_line(text);
  request.chunked = size % 2 == 1;
  request.body = std::move(text);
  const Response response = router().handle(request);
  const bool known = response.status == 200 || response.status == 201 || response.status == 400 ||
                     response.status == 404;
  if (!known || !nlohmann::json::accept(response.body)) std::abort();
  return 0;
}
