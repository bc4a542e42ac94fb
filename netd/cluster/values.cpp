#include "netd/cluster/values.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "netd/value_json.h"

namespace drivers {

static void to_json(nlohmann::json& j, const Pool& pool) {
  j = {{"subnet", pool.subnet}, {"gateway", pool.gateway}, {"range", pool.range}};
  j["auxiliary"] = pool.auxiliary;
}

static void from_json(const nlohmann::json& j, Pool& pool) {
  j.at("subnet").get_to(pool.subnet);
  j.at("gateway").get_to(pool.gateway);
  j.at("range").get_to(pool.range);
  j.at("auxiliary").get_to(pool.auxiliary);
}

}  // namespace drivers

namespace netd::cluster {
namespace {

using nlohmann::json;

std::string dump(json object) {
  object["v"] = value_version;
  return object.dump();
}

/// Reads an object of a version that is known; `read` may throw what json and parse_value throw.
template <class Read>
void parse(std::string_view text, const char* what, const Read& read) {
  try {
    const json object = json::parse(std::string(text));
    const int version = object.at("v").get<int>();
    if (version != value_version)
      throw BadValue(fmt::format("{} of version {}: this netd knows version {} only, upgrade it",
                                 what, version, value_version));
    read(object);
  } catch (const json::exception& error) {
    throw BadValue(fmt::format("{} in the cluster's store: {}", what, error.what()));
  } catch (const std::invalid_argument& error) {
    throw BadValue(fmt::format("{} in the cluster's store: {}", what, error.what()));
  }
}

json known(const Network& value) {
  return {{"id", value.id},
          {"name", value.name},
          {"vni", value.vni},
          {"mtu", value.mtu},
          {"ipv4", value.ipv4},
          {"ipv6", value.ipv6},
          {"internal", value.internal},
          {"attachable", value.attachable},
          {"pools", value.pools},
          {"options", value.options},
          {"labels", value.labels},
          {"created", value.created_nano},
          {"token", value.token}};
}

HostEncryption read_encryption(const json& object) {
  HostEncryption value;
  object.at("key").get_to(value.key);
  object.at("next").get_to(value.next);
  object.at("inside").get_to(value.inside);
  object.at("port").get_to(value.port);
  return value;
}

}  // namespace

std::string to_text(const Meta& value) {
  return dump({{"cluster", value.cluster},
               {"vxlan_port", value.vxlan_port},
               {"underlay", value.underlay == ipam::Family::v4 ? "ipv4" : "ipv6"}});
}

void from_text(std::string_view text, Meta& value) {
  parse(text, "meta", [&](const json& object) {
    object.at("cluster").get_to(value.cluster);
    object.at("vxlan_port").get_to(value.vxlan_port);
    const auto underlay = object.at("underlay").get<std::string>();
    if (underlay != "ipv4" && underlay != "ipv6")
      throw std::invalid_argument("underlay is neither ipv4 nor ipv6: " + underlay);
    value.underlay = underlay == "ipv4" ? ipam::Family::v4 : ipam::Family::v6;
  });
}

std::string to_text(const Network& value) {
  json object = value.rest.empty() ? json::object() : json::parse(value.rest);
  object.update(known(value));
  return dump(std::move(object));
}

void from_text(std::string_view text, Network& value) {
  parse(text, "network", [&](const json& object) {
    object.at("id").get_to(value.id);
    object.at("name").get_to(value.name);
    object.at("vni").get_to(value.vni);
    object.at("mtu").get_to(value.mtu);
    object.at("ipv4").get_to(value.ipv4);
    object.at("ipv6").get_to(value.ipv6);
    object.at("internal").get_to(value.internal);
    object.at("attachable").get_to(value.attachable);
    object.at("pools").get_to(value.pools);
    object.at("options").get_to(value.options);
    object.at("labels").get_to(value.labels);
    object.at("created").get_to(value.created_nano);
    object.at("token").get_to(value.token);
    if (value.id.empty() || value.name.empty()) throw std::invalid_argument("id or name is empty");
    if (value.vni == 0 || value.vni >= 1U << 24)
      throw std::invalid_argument(fmt::format("vni {} is not in 1 … 16777215", value.vni));
    json rest = object;
    const json own = known(value);
    for (const auto& [key, unused] : own.items())
      rest.erase(key);
    rest.erase("v");
    value.rest = rest.empty() ? "" : rest.dump();
  });
}

std::string to_text(const Holder& value) {
  return dump({{"host", value.host}, {"endpoint", value.endpoint}, {"token", value.token}});
}

void from_text(std::string_view text, Holder& value) {
  parse(text, "address", [&](const json& object) {
    object.at("host").get_to(value.host);
    object.at("endpoint").get_to(value.endpoint);
    object.at("token").get_to(value.token);
  });
}

std::string to_text(const Endpoint& value) {
  return dump({{"id", value.id},
               {"network", value.network},
               {"host", value.host},
               {"mac", value.mac},
               {"ipv4", value.ipv4},
               {"ipv6", value.ipv6},
               {"names", value.names},
               {"token", value.token}});
}

void from_text(std::string_view text, Endpoint& value) {
  parse(text, "endpoint", [&](const json& object) {
    object.at("id").get_to(value.id);
    object.at("network").get_to(value.network);
    object.at("host").get_to(value.host);
    object.at("mac").get_to(value.mac);
    object.at("ipv4").get_to(value.ipv4);
    object.at("ipv6").get_to(value.ipv6);
    object.at("names").get_to(value.names);
    object.at("token").get_to(value.token);
  });
}

std::string to_text(const HostInfo& value) {
  json object = {{"id", value.id},   {"name", value.name}, {"vtep", value.vtep},
                 {"mtu", value.mtu}, {"boot", value.boot}, {"version", value.version}};
  if (value.encryption)
    object["encryption"] = {{"key", value.encryption->key},
                            {"next", value.encryption->next},
                            {"inside", value.encryption->inside},
                            {"port", value.encryption->port}};
  if (!value.expects.empty()) object["expects"] = value.expects;
  return dump(std::move(object));
}

void from_text(std::string_view text, HostInfo& value) {
  parse(text, "host", [&](const json& object) {
    object.at("id").get_to(value.id);
    object.at("name").get_to(value.name);
    object.at("vtep").get_to(value.vtep);
    object.at("mtu").get_to(value.mtu);
    object.at("boot").get_to(value.boot);
    object.at("version").get_to(value.version);
    if (object.contains("encryption")) value.encryption = read_encryption(object["encryption"]);
    if (object.contains("expects")) object["expects"].get_to(value.expects);
  });
}

std::string to_text(const HostLive& value) {
  return dump({{"nonce", value.nonce}, {"boot", value.boot}});
}

void from_text(std::string_view text, HostLive& value) {
  parse(text, "live host", [&](const json& object) {
    object.at("nonce").get_to(value.nonce);
    object.at("boot").get_to(value.boot);
  });
}

std::string token_of(std::string_view text) {
  const json object = json::parse(std::string(text), nullptr, false);
  const auto token = object.is_object() ? object.find("token") : object.end();
  return token != object.end() && token->is_string() ? token->get<std::string>() : std::string();
}

}  // namespace netd::cluster
