// How other threads get at what the control thread owns: they hand it a function and wait.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <type_traits>
#include <utility>

namespace netd {

class ControlGate {
 public:
  /// Has a function run on the control thread, some time.
  using Post = std::function<void(std::function<void()>)>;
  explicit ControlGate(Post post) : post_(std::move(post)) {}

  /// Runs `act` there and waits; what it returns or throws comes back. Never from the control
  /// thread itself.
  template <class Act>
  std::invoke_result_t<Act> run(Act act) const {
    using Task = std::packaged_task<std::invoke_result_t<Act>()>;
    const auto task = std::make_shared<Task>(std::move(act));
    auto result = task->get_future();
    post_([task] { (*task)(); });
    return result.get();
  }

 private:
  Post post_;
};

}  // namespace netd
