// Name -> driver.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/bridge.h"
#include "drivers/driver.h"
#include "drivers/remote.h"

namespace drivers {

class Registry {
 public:
  /// The built-in drivers.
  explicit Registry(BridgeSettings bridge = {});

  /// Null when there is none of that name.
  const Driver* find(std::string_view name) const;
  std::vector<std::string> names() const;  // sorted
  /// The driver of all networks whose driver is a plugin; it has no name here.
  const Driver& remote() const { return remote_; }

 private:
  std::vector<std::unique_ptr<Driver>> drivers_;
  Remote remote_;
};

}  // namespace drivers
