// Requests about VXLAN links and static bridge entries; the failures say who is in the way.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "sandbox/plan.h"
#include "sandbox/rtnl.h"
#include "sandbox/vxlan_facts.h"

namespace sandbox {

/// Makes the link, down. EEXIST when its name, index or VNI is taken. The kernel keeps a VNI with
/// the namespace where its link was made, also when that has moved to another.
void create_vxlan(RtnlSocket& rtnl, const CreateVxlan& step);

/// The VXLAN link of that name or index; nothing when there is none, or one of another kind.
std::optional<Vxlan> read_vxlan(RtnlSocket& rtnl, const std::string& name);
std::optional<Vxlan> read_vxlan(RtnlSocket& rtnl, std::uint32_t index);
std::vector<Vxlan> list_vxlans(RtnlSocket& rtnl);

/// `error` (EADDRINUSE) of the request that took VXLAN link `index` up, with the name of who has
/// the UDP port.
std::system_error explain_taken_port(RtnlSocket& rtnl, std::uint32_t index,
                                     const std::system_error& error);

void add_fdb_entry(RtnlSocket& rtnl, const AddFdbEntry& step);
/// Gone, or on another port by now = done.
void remove_fdb_entry(RtnlSocket& rtnl, const AddFdbEntry& step);

}  // namespace sandbox
