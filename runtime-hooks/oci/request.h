// What a container's annotations ask of netd, as the body of POST /sandboxes. Pure.
//
//   io.netd.networks    frontend:ip=10.1.0.5,alias=web;backend   as netctl's --network, by ';'
//   io.netd.publish     8080:80/tcp,9000-9010:9000-9010/udp      as -p, by ','
//   io.netd.dns         9.9.9.9,149.112.112.112                  io.netd.dns-search,
//   io.netd.dns-option io.netd.add-host    db:10.1.0.9,gw:host-gateway io.netd.name        the
//   sandbox's name, else the container's id io.netd.netns       the path of the container's network
//   namespace, where it is not its init's io.netd.files       which files netd puts into the
//   container: resolv.conf,hosts,hostname; or none
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "runtime-hooks/oci/container.h"

namespace runtime_hooks::oci {

/// Where the container's network namespace is: one of the two.
struct NamespaceSource {
  std::string path;
  int pid = 0;
};

/// Throws std::runtime_error that names the annotation and quotes it.
nlohmann::json create_request(const Container& container, const NamespaceSource& source);

/// Whether an annotation says anything about networks or ports.
bool asks_for_networks(const Container& container);

/// The names of io.netd.files; all without the annotation.
std::vector<std::string> wanted_files(const Container& container);

}  // namespace runtime_hooks::oci
