#include "drivers/driver.h"

#include "drivers/options.h"

namespace drivers {

std::string Driver::interface_prefix(const Network& network) const {
  return text_option(network.options, option_interface_prefix, "eth");
}

}  // namespace drivers
