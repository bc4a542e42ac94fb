#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "netd/api/handlers.h"
#include "netd/api/times.h"
#include "netd/config.h"

namespace netd::api {
namespace {

using nlohmann::json;

/// GOARCH's word for the machine.
std::string architecture(const std::string& machine) {
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64") return "arm64";
  return machine;
}

utsname system_name() {
  utsname name{};
  uname(&name);
  return name;
}

json address_pools_json(const Config& config) {
  json pools = json::array();
  for (const ipam::AddressPool& pool : config.default_address_pools)
    pools.push_back({{"Base", pool.base.to_string()}, {"Size", pool.size}});
  return pools;
}

/// What `docker info` counts and names of an engine, none of which netd has. Where a false makes
/// older clients print a warning that means nothing here (netd needs no br_netfilter), it is true.
json absent_engine_parts() {
  return {{"Images", 0},
          {"Driver", "netd"},
          {"DriverStatus", json::array()},
          {"MemoryLimit", true},
          {"SwapLimit", true},
          {"CpuCfsPeriod", true},
          {"CpuCfsQuota", true},
          {"CPUShares", true},
          {"CPUSet", true},
          {"PidsLimit", true},
          {"OomKillDisable", true},
          {"LoggingDriver", "none"},
          {"CgroupDriver", "none"},
          {"CgroupVersion", "2"},
          {"DefaultRuntime", ""},
          {"Runtimes", json::object()},
          {"SecurityOptions", json::array()},
          {"GenericResources", nullptr},
          {"RegistryConfig", nullptr},
          {"Isolation", ""},
          {"InitBinary", ""},
          {"ExperimentalBuild", false},
          {"LiveRestoreEnabled", true},
          {"HttpProxy", ""},
          {"HttpsProxy", ""},
          {"NoProxy", ""},
          {"Swarm", {{"LocalNodeState", "inactive"}, {"NodeID", ""}, {"NodeAddr", ""}}}};
}

}  // namespace

Response ping(const Call& call, Context&) {
  Response response{.status = 200, .content_type = "text/plain; charset=utf-8"};
  if (call.request.method != "HEAD") response.body = "OK";
  response.headers = {{"Cache-Control", "no-cache, no-store, must-revalidate"},
                      {"Pragma", "no-cache"},
                      {"Builder-Version", "2"},
                      {"Swarm", "inactive"}};
  return response;
}

Response version(const Call&, Context&) {
  const utsname name = system_name();
  json details{{"ApiVersion", newest_version.to_string()},
               {"MinAPIVersion", oldest_version.to_string()},
               {"GitCommit", ""},
               {"GoVersion", ""},
               {"Os", "linux"},
               {"Arch", architecture(name.machine)},
               {"KernelVersion", name.release},
               {"BuildTime", ""}};
  json component_details = details;
  component_details["Experimental"] = "false";
  details["Platform"] = {{"Name", "netd"}};
  details["Version"] = NETD_VERSION;
  details["Components"] = json::array(
      {{{"Name", "Engine"}, {"Version", NETD_VERSION}, {"Details", component_details}}});
  return json_response(200, details);
}

Response engine_info(const Call&, Context& context) {
  const utsname name = system_name();
  const SystemInfo info = context.controller.info();
  struct sysinfo memory {};
  sysinfo(&memory);
  json result = absent_engine_parts();
  result.update(
      {{"ID", context.config.state_dir},
       {"Name", name.nodename},
       {"Containers", info.sandboxes},
       {"ContainersRunning", info.sandboxes},
       {"ContainersPaused", 0},
       {"ContainersStopped", 0},
       {"Plugins",
        {{"Volume", json::array()},
         {"Network", {"bridge", "host", "null"}},
         {"Authorization", nullptr},
         {"Log", json::array()}}},
       {"IPv4Forwarding", context.config.ip_forward},
       {"BridgeNfIptables", true},
       {"BridgeNfIp6tables", true},
       {"Debug", context.config.log_level == "debug" || context.config.log_level == "trace"},
       {"NFd", 0},
       {"NGoroutines", 0},
       {"NEventsListener", 0},
       {"SystemTime", rfc3339(now_nano())},
       {"KernelVersion", name.release},
       {"OperatingSystem", "netd on Linux"},
       {"OSVersion", ""},
       {"OSType", "linux"},
       {"Architecture", name.machine},
       {"NCPU", std::max(1L, sysconf(_SC_NPROCESSORS_ONLN))},
       {"MemTotal", static_cast<std::uint64_t>(memory.totalram) * memory.mem_unit},
       {"DockerRootDir", context.config.state_dir},
       {"ServerVersion", NETD_VERSION},
       {"DefaultAddressPools", address_pools_json(context.config)},
       {"FirewallBackend", {{"Driver", "nftables"}, {"Info", json::array()}}},
       {"Labels", json::array()},
       {"Warnings", json::array()}});
  return json_response(200, result);
}

}  // namespace netd::api
