// Name -> driver.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/bridge.h"
#include "drivers/driver.h"

namespace drivers {

class Registry {
 public:
  /// The built-in drivers.
  explicit Registry(BridgeSettings bridge = {});

  /// Null when there is none of that name.
  const Driver* find(std::string_view name) const;
  std::vector<std::string> names() const;  // sorted

 private:
  std::vector<std::unique_ptr<Driver>> drivers_;
};

}  // namespace drivers
