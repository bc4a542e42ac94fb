#include "sandbox/vxlan_facts.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "sandbox/kernel.h"

namespace sandbox {
namespace {

/// The links that a step is about, by index.
bool is_about(const Step& step, std::uint32_t index) {
  if (const auto* vxlan = std::get_if<CreateVxlan>(&step)) return vxlan->index == index;
  if (const auto* bridge = std::get_if<CreateBridge>(&step)) return bridge->index == index;
  if (const auto* link = std::get_if<SetLink>(&step)) return link->index == index;
  if (const auto* port = std::get_if<SetBridgePort>(&step)) return port->index == index;
  return false;
}

template <class Kind>
const Kind* find(const Plan& plan) {
  for (const Step& step : plan)
    if (const auto* found = std::get_if<Kind>(&step)) return found;
  return nullptr;
}

/// What the SetLink steps of `index` say, all in one.
SetLink settings_of(const Plan& plan, std::uint32_t index) {
  SetLink all;
  for (const Step& step : plan) {
    const auto* link = std::get_if<SetLink>(&step);
    if (!link || link->index != index) continue;
    if (link->alias) all.alias = link->alias;
    if (link->master) all.master = link->master;
    if (link->mtu) all.mtu = link->mtu;
    if (link->up) all.up = link->up;
  }
  return all;
}

bool is_in_place(Kernel& kernel, const Plan& plan, const CreateBridge& step) {
  const SetLink settings = settings_of(plan, step.index);
  const auto link = kernel.find_link("", step.name);
  return link && link->kind == "bridge" && link->index == step.index && link->mac == step.mac &&
         link->no_snooping == step.bare && link->alias == settings.alias.value_or("") &&
         link->up == settings.up.value_or(false) && (!settings.mtu || link->mtu == *settings.mtu) &&
         link->addresses.empty();
}

Plan steps_about(const Plan& plan, std::uint32_t index, std::uint32_t other) {
  Plan steps;
  std::ranges::copy_if(plan, std::back_inserter(steps), [&](const Step& step) {
    return is_about(step, index) || is_about(step, other);
  });
  return steps;
}

}  // namespace

Vxlan planned_vxlan(const Plan& plan, const CreateVxlan& step) {
  const SetLink settings = settings_of(plan, step.index);
  Vxlan vxlan{.name = step.name,
              .index = step.index,
              .mac = step.mac,
              .alias = settings.alias.value_or(""),
              .mtu = step.mtu,
              .vni = step.vni,
              .port = step.port,
              .local = step.local,
              .master = settings.master.value_or(0),
              .up = settings.up.value_or(false)};
  vxlan.port_flags.index = step.index;
  for (const Step& each : plan)
    if (const auto* port = std::get_if<SetBridgePort>(&each); port && port->index == step.index)
      vxlan.port_flags = *port;
  return vxlan;
}

Plan out_of_place(Kernel& kernel, const Plan& plan) {
  const auto* bridge = find<CreateBridge>(plan);
  const auto* vxlan = find<CreateVxlan>(plan);
  if (!bridge || !vxlan) return {};
  if (!is_in_place(kernel, plan, *bridge)) return steps_about(plan, bridge->index, vxlan->index);
  if (kernel.find_vxlan(vxlan->name) != planned_vxlan(plan, *vxlan))
    return steps_about(plan, vxlan->index, vxlan->index);
  return {};
}

}  // namespace sandbox
