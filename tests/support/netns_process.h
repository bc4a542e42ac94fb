// A process that stands for a container's.
#pragma once

#include <sys/types.h>

namespace tests {

/// In a network namespace of its own, which is there when this returns. It waits until it is
/// killed, at the latest with the test; the caller reaps it.
pid_t start_process_in_new_netns();

}  // namespace tests
