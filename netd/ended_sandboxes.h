// Removes sandboxes whose namespace was taken from a process or a path that is gone, and where
// nobody lives any more: a runtime that was killed, or whose hook failed, never says that a
// container is no more.
#pragma once

#include <string>

#include "netd/controller.h"
#include "netd/remote_verbs.h"

namespace netd {

class EndedSandboxes {
 public:
  /// Both outlive this.
  EndedSandboxes(Controller& controller, RemoteVerbs& verbs)
      : controller_(controller), verbs_(verbs) {}

  /// What the watch has to say (sandbox/owner_watch.h). On the control thread. Never throws; what
  /// could not be removed now is tried again.
  void remove();

 private:
  void remove(const std::string& id);
  void remove_later(const std::string& id);

  Controller& controller_;
  RemoteVerbs& verbs_;
};

}  // namespace netd
