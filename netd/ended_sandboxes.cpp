#include "netd/ended_sandboxes.h"

#include "netd/error.h"
#include "netd/log.h"

namespace netd {
namespace {

/// Another verb is at work on it, or too many wait for a plugin: it is worth another try soon.
bool passes(const Error& error) {
  return error.kind() == ErrorKind::conflict || error.kind() == ErrorKind::unavailable;
}

void warn(const std::string& id, const std::exception& error) {
  log::warn("a sandbox whose process has ended is not removed; netd's next start tries again",
            {{"sandbox", log::short_id(id)}, {"error", error.what()}});
}

}  // namespace

void EndedSandboxes::remove() {
  try {
    for (const std::string& id : controller_.ended_sandboxes())
      remove(id);
  } catch (const std::exception& error) {
    log::warn("sandboxes whose process has ended stay; netd's next start removes them",
              {{"error", error.what()}});
  }
}

void EndedSandboxes::remove(const std::string& id) {
  try {
    log::info("the process of a sandbox has ended, and nobody is in its namespace: it is removed",
              {{"sandbox", controller_.sandbox_by_id(id).spec.name}, {"id", log::short_id(id)}});
    if (verbs_.asked_by_sandbox(id).empty())
      controller_.remove_sandbox(id);
    else
      remove_later(id);
  } catch (const Error& error) {
    passes(error) ? controller_.remind_of_end(id) : warn(id, error);
  } catch (const std::exception& error) {
    warn(id, error);
  }
}

/// On a worker: plugins are asked.
void EndedSandboxes::remove_later(const std::string& id) {
  const auto place = verbs_.workers().admit(verbs_.asked_by_sandbox(id));
  verbs_.workers().start([this, id, place] {
    try {
      verbs_.remove_sandbox(id);
    } catch (const Error& error) {
      if (!passes(error)) return warn(id, error);
      verbs_.gate().run([&] { controller_.remind_of_end(id); });
    } catch (const std::exception& error) {
      warn(id, error);
    }
  });
}

}  // namespace netd
