// Plans as JSON, the form in which records store them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <concepts>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "sandbox/plan.h"

namespace sandbox {
namespace {

// ---- JSON: one description of each step's fields serves both directions
// --------------------------

template <class Step, class Of>
concept Is = std::same_as<std::remove_const_t<Step>, Of>;

void describe(auto& fields, Is<PinNamespace> auto& step) {
  fields.required("path", step.path);
  fields.optional("source", step.source);
}

void describe(auto& fields, Is<CreateBridge> auto& step) {
  fields.required("name", step.name);
  fields.required("index", step.index);
  fields.required("mac", step.mac);
  fields.optional("mtu", step.mtu);
  fields.optional("vlan", step.vlan);
  fields.optional("bare", step.bare);
}

void describe(auto& fields, Is<CreateVxlan> auto& step) {
  fields.required("name", step.name);
  fields.required("index", step.index);
  fields.required("mac", step.mac);
  fields.optional("mtu", step.mtu);
  fields.required("vni", step.vni);
  fields.required("port", step.port);
  fields.required("local", step.local);
}

void describe(auto& fields, Is<AddFdbEntry> auto& step) {
  fields.required("index", step.index);
  fields.required("mac", step.mac);
}

void describe(auto& fields, Is<CreateLink> auto& step) {
  fields.required("kind", step.kind);
  fields.required("name", step.name);
  fields.optional("index", step.index);
  fields.optional("mac", step.mac);
  fields.optional("netns", step.netns);
  fields.optional("parent", step.parent);
  fields.optional("mtu", step.mtu);
  fields.optional("vlan", step.vlan);
  fields.optional("mode", step.mode);
  fields.optional("flag", step.flag);
  fields.optional("sources", step.sources);
}

void describe(auto& fields, Is<CreateVeth> auto& step) {
  fields.required("name", step.name);
  fields.required("index", step.index);
  fields.required("mac", step.mac);
  fields.optional("netns", step.netns);
  fields.required("peer_name", step.peer_name);
  fields.required("peer_index", step.peer_index);
  fields.required("peer_mac", step.peer_mac);
  fields.optional("mtu", step.mtu);
}

void describe(auto& fields, Is<SetLink> auto& step) {
  fields.optional("netns", step.netns);
  fields.required("index", step.index);
  fields.optional("alias", step.alias);
  fields.optional("mac", step.mac);
  fields.optional("master", step.master);
  fields.optional("mtu", step.mtu);
  fields.optional("ipv6_link_local", step.ipv6_link_local);
  fields.optional("up", step.up);
}

void describe(auto& fields, Is<SetBridgePort> auto& step) {
  fields.required("index", step.index);
  fields.optional("isolated", step.isolated);
  fields.optional("hairpin", step.hairpin);
  fields.optional("vlan", step.vlan);
  fields.optional("no_learning", step.no_learning);
  fields.optional("locked", step.locked);
  fields.optional("suppress_neighbours", step.suppress_neighbours);
  fields.optional("no_flood", step.no_flood);
}

void describe(auto& fields, Is<AddAddress> auto& step) {
  fields.optional("netns", step.netns);
  fields.required("index", step.index);
  fields.required("address", step.address);
}

void describe(auto& fields, Is<AddRoute> auto& step) {
  fields.optional("netns", step.netns);
  fields.required("destination", step.destination);
  fields.optional("gateway", step.gateway);
  fields.optional("index", step.index);
  fields.optional("metric", step.metric);
  fields.optional("type", step.type);
}

void describe(auto& fields, Is<SetSysctl> auto& step) {
  fields.optional("netns", step.netns);
  fields.required("key", step.key);
  fields.required("value", step.value);
}

void describe(auto& fields, Is<SetHostSysctl> auto& step) {
  fields.required("key", step.key);
  fields.required("value", step.value);
}

void describe(auto& fields, Is<AddElements> auto& step) {
  fields.required("elements", step.elements);
}

void describe(auto& fields, Is<Element> auto& element) {
  fields.required("set", element.set);
  fields.required("key", element.key);
  fields.optional("value", element.value);
}

void describe(auto& fields, Is<RedirectDns> auto& step) {
  fields.optional("netns", step.netns);
  fields.required("port", step.port);
}

void describe(auto& fields, Is<AdmitForwarding> auto& step) {
  fields.required("link", step.link);
}

void describe(auto& fields, Is<MoveLink> auto& step) {
  fields.required("name", step.name);
  fields.required("netns", step.netns);
  fields.required("new_name", step.new_name);
  fields.required("index", step.index);
}

// The "do" of each alternative of Step, in the order of the variant.
constexpr std::array<std::string_view, std::variant_size_v<Step>> step_names = {
    "pin",   "bridge",       "veth",        "link",     "bridge_port", "address",
    "route", "sysctl",       "host_sysctl", "elements", "dns",         "admit_forwarding",
    "move",  "link_of_kind", "vxlan",       "fdb"};

class Writer {
 public:
  explicit Writer(nlohmann::json& object) : object_(object) {}

  void required(const char* key, const auto& value) { object_[key] = to_value(value); }
  template <class T>
  void optional(const char* key, const T& value) {
    if (value != T{}) required(key, value);
  }

 private:
  static nlohmann::json to_value(const std::string& text) { return text; }
  static nlohmann::json to_value(std::integral auto number) { return number; }
  static nlohmann::json to_value(const ipam::Mac& mac) { return mac.to_string(); }
  static nlohmann::json to_value(const ipam::Prefix& prefix) { return prefix.to_string(); }
  static nlohmann::json to_value(const ipam::Address& address) { return address.to_string(); }
  template <class T>
  static nlohmann::json to_value(const std::optional<T>& value) {
    return to_value(*value);
  }
  template <class T>
  static nlohmann::json to_value(const std::vector<T>& values) {
    auto array = nlohmann::json::array();
    for (const T& value : values)
      array.push_back(to_value(value));
    return array;
  }
  static nlohmann::json to_value(const Element& element) {
    auto object = nlohmann::json::object();
    Writer writer(object);
    describe(writer, element);
    return object;
  }
  // A port is a number; a link, also a number, is told from it by its object.
  static nlohmann::json to_value(const ElementField& field) {
    if (const auto* link = std::get_if<LinkIndex>(&field)) return {{"link", link->index}};
    if (const auto* port = std::get_if<PortNumber>(&field)) return port->number;
    if (const auto* protocol = std::get_if<Protocol>(&field)) return to_text(*protocol);
    return to_value(std::get<ipam::Address>(field));
  }

  nlohmann::json& object_;
};

class Reader {
 public:
  Reader(const nlohmann::json& object, std::string where)
      : object_(object), where_(std::move(where)) {
    if (!object.is_object()) fail(where_, "expected an object");
  }

  void ignore(const std::string& key) { known_.push_back(key); }

  void required(const std::string& key, auto& value) {
    if (!object_.contains(key)) fail(where_, "\"" + key + "\" is missing");
    optional(key, value);
  }

  void optional(const std::string& key, auto& value) {
    known_.push_back(key);
    if (const auto found = object_.find(key); found != object_.end())
      read(*found, where_ + ": " + key, value);
  }

  /// What was not asked for is not understood.
  void finish() const {
    for (const auto& [key, value] : object_.items())
      if (std::find(known_.begin(), known_.end(), key) == known_.end())
        fail(where_, "unknown key \"" + key.substr(0, 40) + "\"");
  }

  [[noreturn]] static void fail(const std::string& where, const std::string& what) {
    throw std::invalid_argument(where + ": " + what);
  }

 private:
  static const std::string& text(const nlohmann::json& json, const std::string& where) {
    if (!json.is_string()) fail(where, "expected a string");
    return json.get_ref<const std::string&>();
  }

  static void read(const nlohmann::json& json, const std::string& where, std::string& value) {
    value = text(json, where);
  }

  static void read(const nlohmann::json& json, const std::string& where, bool& value) {
    if (!json.is_boolean()) fail(where, "expected true or false");
    value = json.get<bool>();
  }

  template <std::unsigned_integral T>
  static void read(const nlohmann::json& json, const std::string& where, T& value) {
    constexpr auto largest = std::numeric_limits<T>::max();
    // Negative numbers wrap to large ones and so are refused as well.
    if (!json.is_number_integer() || json.get<std::uint64_t>() > largest)
      fail(where, fmt::format("expected a whole number up to {}", largest));
    value = json.get<T>();
  }

  template <class T>
  requires requires(std::string_view text) { T::parse(text); }
  static void read(const nlohmann::json& json, const std::string& where, T& value) {
    const std::string& written = text(json, where);
    const std::optional<T> parsed = T::parse(written);
    if (!parsed) fail(where, "malformed: \"" + written.substr(0, 60) + "\"");
    value = *parsed;
  }

  template <class T>
  static void read(const nlohmann::json& json, const std::string& where, std::optional<T>& value) {
    read(json, where, value.emplace());
  }

  template <class T>
  static void read(const nlohmann::json& json, const std::string& where, std::vector<T>& values) {
    if (!json.is_array()) fail(where, "expected an array");
    values.clear();
    for (std::size_t i = 0; i < json.size(); ++i)
      read(json[i], fmt::format("{}[{}]", where, i), values.emplace_back());
  }

  static void read(const nlohmann::json& json, const std::string& where, Element& element) {
    Reader reader(json, where);
    describe(reader, element);
    reader.finish();
  }

  static void read(const nlohmann::json& json, const std::string& where, ElementField& field) {
    if (json.is_object()) {
      Reader reader(json, where);
      reader.required("link", field.emplace<LinkIndex>().index);
      return reader.finish();
    }
    if (json.is_number()) return read(json, where, field.emplace<PortNumber>().number);
    const std::string& written = text(json, where);
    for (const Protocol protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
      if (written != to_text(protocol)) continue;
      field = protocol;
      return;
    }
    read(json, where, field.emplace<ipam::Address>());
  }

  const nlohmann::json& object_;
  std::string where_;
  std::vector<std::string> known_;
};

// A step of the variant's alternative `index`, all fields at their defaults.
template <std::size_t... indexes>
Step empty_step(std::size_t index, std::index_sequence<indexes...>) {
  Step step;
  ((index == indexes ? void(step.emplace<indexes>()) : void()), ...);
  return step;
}

Step read_step(const nlohmann::json& json, std::size_t position) {
  const std::string where = fmt::format("plan step {}", position);
  if (!json.is_object()) Reader::fail(where, "expected an object");
  const auto found = json.find("do");
  if (found == json.end() || !found->is_string())
    Reader::fail(where, "\"do\" is missing or no string");
  const std::string& name = found->get_ref<const std::string&>();
  const auto entry = std::find(step_names.begin(), step_names.end(), name);
  if (entry == step_names.end()) Reader::fail(where, "unknown step \"" + name.substr(0, 40) + "\"");

  Step step = empty_step(static_cast<std::size_t>(entry - step_names.begin()),
                         std::make_index_sequence<std::variant_size_v<Step>>());
  Reader reader(json, where + " (" + name + ")");
  reader.ignore("do");
  std::visit([&](auto& fields) { describe(reader, fields); }, step);
  reader.finish();
  return step;
}

}  // namespace
}  // namespace sandbox

void nlohmann::adl_serializer<sandbox::Plan, void>::to_json(nlohmann::json& json,
                                                            const sandbox::Plan& plan) {
  json = nlohmann::json::array();
  for (const sandbox::Step& step : plan) {
    auto object = nlohmann::json::object();
    object["do"] = sandbox::step_names[step.index()];
    sandbox::Writer writer(object);
    std::visit([&](const auto& fields) { sandbox::describe(writer, fields); }, step);
    json.push_back(std::move(object));
  }
}

void nlohmann::adl_serializer<sandbox::Plan, void>::from_json(const nlohmann::json& json,
                                                              sandbox::Plan& plan) {
  if (!json.is_array()) throw std::invalid_argument("plan: expected an array of steps");
  plan.clear();
  for (const auto& step : json)
    plan.push_back(sandbox::read_step(step, plan.size() + 1));
}
