// How long operations take, for GET /metrics. Used on the control thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace netd::api {

class Metrics {
 public:
  struct Summary {
    std::uint64_t count = 0;
    double sum_seconds = 0;
  };

  void observe(const std::string& operation, double seconds);
  const std::map<std::string, Summary>& operations() const { return operations_; }

 private:
  std::map<std::string, Summary> operations_;
};

}  // namespace netd::api
