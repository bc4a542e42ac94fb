#include "netd/api/metrics.h"

namespace netd::api {

void Metrics::observe(const std::string& operation, double seconds) {
  Summary& summary = operations_[operation];
  ++summary.count;
  summary.sum_seconds += seconds;
}

}  // namespace netd::api
