// Cleaning up goes on after a failure and tells all of them.
#pragma once

#include <exception>
#include <string>
#include <vector>

namespace netd {

class Failures {
 public:
  /// Runs `act`; what it throws is kept as text.
  template <class Act>
  void attempt(const Act& act) {
    try {
      act();
    } catch (const std::exception& error) {
      texts_.emplace_back(error.what());
    }
  }
  void add(const std::vector<std::string>& more) {
    texts_.insert(texts_.end(), more.begin(), more.end());
  }
  const std::vector<std::string>& texts() const { return texts_; }

 private:
  std::vector<std::string> texts_;
};

}  // namespace netd
