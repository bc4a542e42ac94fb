#include "netd/engine_driver.h"
#include "netd/plugin/methods.h"
#include "netd/plugin/options.h"

namespace netd::plugin {
namespace {

using api::JsonObject;
using nlohmann::json;

json get_capabilities(const JsonObject&, const Caller&) {
  // Requests need not be replayed to a netd that was restarted: they are stored.
  return {{"RequiresMACAddress", false}, {"RequiresRequestReplay", false}};
}

json get_default_address_spaces(const JsonObject&, const Caller&) {
  return {{"LocalDefaultAddressSpace", address_space},
          {"GlobalDefaultAddressSpace", address_space}};
}

json request_pool(const JsonObject& body, const Caller& caller) {
  PoolAsk ask;
  ask.ipv6 = body.flag("V6");
  ask.process = caller.process();
  ask.pool.subnet = read_prefix(body, "Pool");
  ask.pool.range = read_prefix(body, "SubPool");
  const ClaimedPool pool = caller.context.controller.engine().request_pool(ask);
  return {{"PoolID", pool.id}, {"Pool", pool.subnet.to_string()}, {"Data", json::object()}};
}

json release_pool(const JsonObject& body, const Caller& caller) {
  caller.context.controller.engine().release_pool(body.text("PoolID"));
  return json::object();
}

json request_address(const JsonObject& body, const Caller& caller) {
  const JsonObject options = body.object("Options");
  const AddressAsk ask{
      .pool = body.text("PoolID"),
      .address = read_address(body, "Address"),
      .name = options.text("com.docker.network.endpoint.name"),
      .gateway = options.text("RequestAddressType") == "com.docker.network.gateway",
      .process = caller.process()};
  const ipam::Prefix address = caller.context.controller.engine().request_address(ask);
  return {{"Address", address.to_string()}, {"Data", json::object()}};
}

json release_address(const JsonObject& body, const Caller& caller) {
  if (const auto address = read_address(body, "Address"))
    caller.context.controller.engine().release_address(body.text("PoolID"), *address);
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
