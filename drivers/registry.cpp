#include "drivers/registry.h"

#include <algorithm>

#include "drivers/ipvlan.h"
#include "drivers/linkless.h"
#include "drivers/macvlan.h"
#include "drivers/overlay.h"

namespace drivers {

Registry::Registry(BridgeSettings bridge) {
  drivers_.push_back(std::make_unique<Bridge>(bridge));
  drivers_.push_back(std::make_unique<Linkless>("host"));
  drivers_.push_back(std::make_unique<Linkless>("null"));
  drivers_.push_back(std::make_unique<Macvlan>());
  drivers_.push_back(std::make_unique<Ipvlan>());
  drivers_.push_back(std::make_unique<Overlay>());
}

const Driver* Registry::find(std::string_view name) const {
  const auto found =
      std::ranges::find_if(drivers_, [&](const auto& driver) { return driver->name() == name; });
  return found == drivers_.end() ? nullptr : found->get();
}

std::vector<std::string> Registry::names() const {
  std::vector<std::string> names;
  for (const auto& driver : drivers_)
    names.emplace_back(driver->name());
  std::ranges::sort(names);
  return names;
}

}  // namespace drivers
