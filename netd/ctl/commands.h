// Each adds its commands to the tree; application.cpp calls them all.
#pragma once

namespace CLI {
class App;
}

namespace netd::ctl {

struct Context;

void add_network_commands(CLI::App& application, Context& context);
/// `network create`, `connect` and `disconnect`, which have the long option lists.
void add_network_create(CLI::App& network, Context& context);
void add_network_attachments(CLI::App& network, Context& context);
void add_sandbox_commands(CLI::App& application, Context& context);
void add_sandbox_create(CLI::App& sandbox, Context& context);
/// `sandbox ports` and `port`.
void add_port_commands(CLI::App& application, CLI::App& sandbox, Context& context);
/// `events`, `topology`, `doctor`.
void add_observing_commands(CLI::App& application, Context& context);
/// `cluster status`, `cluster host ls` and `rm`, `overlay trace`.
void add_cluster_commands(CLI::App& application, Context& context);
/// `oci add-hooks`.
void add_oci_commands(CLI::App& application, Context& context);
void add_system_commands(CLI::App& application, Context& context);
/// `completion bash|zsh|fish`.
void add_completion_command(CLI::App& application, Context& context);

}  // namespace netd::ctl
