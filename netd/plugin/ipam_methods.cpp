#include "drivers/options.h"
#include "netd/engine_driver.h"
#include "netd/plugin/methods.h"
#include "netd/plugin/options.h"
#include "netd/remote_verbs.h"

namespace netd::plugin {
namespace {

using api::JsonObject;
using nlohmann::json;

Answer get_capabilities(const JsonObject&, const Caller&) {
  // Requests need not be replayed to a netd that was restarted: they are stored.
  return json{{"RequiresMACAddress", false}, {"RequiresRequestReplay", false}};
}

Answer get_default_address_spaces(const JsonObject&, const Caller&) {
  return json{{"LocalDefaultAddressSpace", address_space},
              {"GlobalDefaultAddressSpace", address_space}};
}

Answer request_pool(const JsonObject& body, const Caller& caller) {
  PoolAsk ask;
  ask.ipv6 = body.flag("V6");
  ask.process = caller.process();
  ask.pool.subnet = read_prefix(body, "Pool");
  ask.pool.range = read_prefix(body, "SubPool");
  ask.network = body.object("Options").text(drivers::option_engine_network);
  const ClaimedPool pool = caller.context.controller.engine().request_pool(ask);
  return json{{"PoolID", pool.id}, {"Pool", pool.subnet.to_string()}, {"Data", json::object()}};
}

Answer release_pool(const JsonObject& body, const Caller& caller) {
  caller.context.controller.engine().release_pool(body.text("PoolID"));
  return json::object();
}

Answer request_address(const JsonObject& body, const Caller& caller) {
  const JsonObject options = body.object("Options");
  const AddressAsk ask{
      .pool = body.text("PoolID"),
      .address = read_address(body, "Address"),
      .name = options.text("com.docker.network.endpoint.name"),
      .gateway = options.text("RequestAddressType") == "com.docker.network.gateway",
      .process = caller.process()};
  const auto answer = [](const ipam::Prefix& address) {
    return json{{"Address", address.to_string()}, {"Data", json::object()}};
  };
  EngineDriver engine = caller.context.controller.engine();
  if (engine.is_bound_pool(ask.pool))
    return Answer::later(
        [ask, answer](RemoteVerbs& verbs) { return answer(verbs.engine_takes_address(ask)); });
  return answer(engine.request_address(ask));
}

Answer release_address(const JsonObject& body, const Caller& caller) {
  const auto address = read_address(body, "Address");
  if (!address) return json::object();
  const std::string pool = body.text("PoolID");
  EngineDriver engine = caller.context.controller.engine();
  if (engine.is_bound_pool(pool))
    return Answer::later([pool, address](RemoteVerbs& verbs) {
      verbs.engine_gives_back(pool, *address);
      return json::object();
    });
  engine.release_address(pool, *address);
  return json::object();
}

}  // namespace

std::vector<Method> ipam_methods() {
  return {{"IpamDriver.GetCapabilities", "Error", get_capabilities},
          {"IpamDriver.GetDefaultAddressSpaces", "Error", get_default_address_spaces},
          {"IpamDriver.RequestPool", "Error", request_pool},
          {"IpamDriver.ReleasePool", "Error", release_pool},
          {"IpamDriver.RequestAddress", "Error", request_address},
          {"IpamDriver.ReleaseAddress", "Error", release_address}};
}

}  // namespace netd::plugin
