#include "runtime-hooks/resolv_conf.h"

#include <fstream>
#include <sstream>

namespace runtime_hooks {

ResolvConf read_resolv_conf(const std::string& path) {
  ResolvConf conf;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string key, value;
    words >> key;
    if (key == "search") conf.search.clear();  // the last one counts
    while (words >> value) {
      if (key == "nameserver") conf.servers.push_back(value);
      if (key == "search") conf.search.push_back(value);
      if (key == "options") conf.options.push_back(value);
    }
  }
  return conf;
}

}  // namespace runtime_hooks
