// The only verb that changes the kernel: from one plan to another, all or nothing.
#pragma once

#include <string>
#include <system_error>
#include <vector>

#include "sandbox/kernel.h"
#include "sandbox/plan.h"

namespace sandbox {

/// Reverts the steps that are only in `from` (last first), then applies those only in `to` (first
/// first). Equal steps are matched one to one and left alone, and so are equal elements of
/// differing AddElements steps: publishing one more port doesn't interrupt the others.
///
/// What goes along. An address, route or DNS rewrite on a link or in a namespace that the same
/// transition removes isn't reverted on its own. A namespace that was adopted (PinNamespace with a
/// source) lives on without its pin, so what was done in it is reverted. A veth is always reverted:
/// its host end goes down now, not when the namespace dies.
/// An equal step whose ground is removed and made again counts as different: settings, addresses
/// and routes of a link that is replaced, routes of a link whose addresses change (the kernel
/// flushes them), flags of a bridge port that changes its bridge. This looks at these two plans
/// only; a step of another object's plan that stands on this one's links has to be in the same
/// call.
///
/// Links that it set up take packets when it returns (Kernel::settle).
///
/// Set and host-global steps have no inverse: only in `from`, nothing happens; only in `to`, they
/// are applied.
///
/// When applying fails, what this call did is undone (applied steps reverted, reverted ones and the
/// set steps of `from` applied again) and the error is rethrown: the kernel is as before, but for
/// what a set or host-global step of `to` alone changed on something that `from` has too.
/// When undoing fails as well, RollbackFailed is thrown instead.
///
/// Reverting never throws: the failures come back as texts, and the rest is done all the same.
std::vector<std::string> transition(Kernel& kernel, const Plan& from, const Plan& to);

/// The code of the step that failed; `what()` tells that failure and then what couldn't be undone.
class RollbackFailed : public std::system_error {
 public:
  RollbackFailed(const std::system_error& cause, std::vector<std::string> failures);
  const char* what() const noexcept override { return text_.c_str(); }
  const std::vector<std::string>& failures() const { return failures_; }

 private:
  std::vector<std::string> failures_;
  std::string text_;
};

}  // namespace sandbox
