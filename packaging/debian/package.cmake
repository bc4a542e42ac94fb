# The Debian packages: `packaging/build-deb`, or cpack in any build directory. netd, netd-store-etcd with the module
# that needs gRPC, and netd-dev with the client library. What only a package has, the configuration
# and the texts that Debian's policy asks for, is the component "debian": `cmake --install` leaves it out.
set(debian ${CMAKE_CURRENT_LIST_DIR})
set(changelog ${CMAKE_CURRENT_BINARY_DIR}/changelog.gz)
add_custom_command(OUTPUT ${changelog} DEPENDS ${debian}/changelog VERBATIM
  COMMAND gzip -9nc ${debian}/changelog > ${changelog})
add_custom_target(debian_changelog ALL DEPENDS ${changelog})

set(only_in_package COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES ${debian}/netd.json DESTINATION /etc/netd ${only_in_package})
install(FILES ${debian}/copyright ${changelog} DESTINATION share/doc/netd ${only_in_package})
install(FILES ${debian}/copyright ${changelog} DESTINATION share/doc/netd-dev COMPONENT debian-dev EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME netd)
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/packages)
set(CPACK_PACKAGE_VENDOR netd)
set(CPACK_PACKAGE_CONTACT "netd maintainers <maintainers@users.noreply.b-seed-b12e50b6.example>")
# A package is a group of components; what says none is "Unspecified".
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL Unspecified debian etcd dev debian-dev)
set(CPACK_COMPONENT_UNSPECIFIED_GROUP netd)
set(CPACK_COMPONENT_DEBIAN_GROUP netd)
set(CPACK_COMPONENT_ETCD_GROUP etcd)
set(CPACK_COMPONENT_DEV_GROUP dev)
set(CPACK_COMPONENT_DEBIAN-DEV_GROUP dev)
# Paths are the final ones while files are copied: ExecStart and /etc need that.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_NETD_PACKAGE_NAME netd)
set(CPACK_DEBIAN_NETD_PACKAGE_DEPENDS "adduser, init-system-helpers (>= 1.52)")  # the maintainer scripts' programs
set(CPACK_DEBIAN_NETD_PACKAGE_SUGGESTS "docker.io | docker-ce, bash-completion, netd-store-etcd, wireguard-go")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "container networking as a daemon of its own")
set(CPACK_DEBIAN_NETD_DESCRIPTION "netd gives containers, or any Linux network namespace, user-defined networks with
addresses, names, published ports and isolation. It is a network and IPAM plugin of
a Docker engine, and serves the networking part of Docker's API itself. netctl
administers it.")
set(CPACK_DEBIAN_NETD_PACKAGE_CONTROL_EXTRA
  "${debian}/conffiles;${debian}/postinst;${debian}/prerm;${debian}/postrm")
set(CPACK_DEBIAN_NETD_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_ETCD_PACKAGE_NAME netd-store-etcd)
set(CPACK_DEBIAN_ETCD_PACKAGE_DEPENDS "netd (= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_ETCD_DESCRIPTION "The module that keeps netd's networks of many hosts in etcd v3.")

# An archive and its headers: what runs needs nothing of it, so it may be another version than netd.
set(CPACK_DEBIAN_DEV_PACKAGE_NAME netd-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "nlohmann-json3-dev (>= ${nlohmann_json_VERSION}), libssl-dev (>= 3.0)")
set(CPACK_DEBIAN_DEV_PACKAGE_SUGGESTS "netd, pkg-config")
set(CPACK_DEBIAN_DEV_DESCRIPTION "The client library of netd's API for C++20 programs, and examples of it.")
include(CPack)
