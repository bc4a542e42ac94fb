// The iptables chain FORWARD, where Docker has one. Docker turns forwarding on and sets the chain's
// policy to drop; a drop is final, whatever other tables say. So links of netd's need rules there:
//
//     -A FORWARD -i br-… ! -o br-… -j DOCKER-ISOLATION-STAGE-2    not into Docker's own bridges
//     -A FORWARD -i br-… -j ACCEPT
//     -A FORWARD -o br-… -j ACCEPT                                netd's own table guards this way
//
// They stand at the chain's end: Docker's and the user's rules (DOCKER-USER) have their say first.
// This is netfilter's nf_tables, which Debian's iptables writes too; a chain of iptables-legacy is
// out of reach. Rules of netd's are known by their comment. In the calling thread's namespace;
// throw std::system_error.
#pragma once

#include <string>

namespace sandbox {

/// Adds what is missing to the tables `ip filter` and `ip6 filter`; one without a chain DOCKER-USER
/// is none of Docker's and stays as it is.
void admit_forwarding(const std::string& link);
/// Deletes them; gone = done.
void withdraw_forwarding(const std::string& link);

}  // namespace sandbox
