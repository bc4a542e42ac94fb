#!/usr/bin/env bash
# A container's network by hand: from a network namespace that is there already to a teardown that leaves nothing, with
# curl on netd's API. Run it as root beside a netd. docs/sandbox-api.md explains each step.
set -euo pipefail
socket=${NETD_SOCKET:-/run/netd/netd.sock}

# ask METHOD PATH [JSON]: prints the answer's body. An error has {"message": why}, which goes to stderr.
ask() {
  local answer status
  answer=$(curl -sS --unix-socket "$socket" --max-time 60 -X "$1" ${3:+-H 'Content-Type: application/json' -d "$3"} \
    -w '\n%{http_code}' "http://netd$2")
  status=${answer##*$'\n'} answer=${answer%$'\n'*}
  if [ "$status" -ge 300 ]; then
    echo "$1 $2: $(jq -r .message <<<"$answer")" >&2
    return 1
  fi
  printf '%s' "$answer"
}

# inside SANDBOX COMMAND…: in its namespace, and with its own resolv.conf and hosts, as a container has them.
inside() {
  local sandbox
  sandbox=$(ask GET "/sandboxes/$1")
  shift
  nsenter --net="$(jq -r .NetnsPath <<<"$sandbox")" unshare --mount sh -euc '
    mount --bind "$1" /etc/resolv.conf
    mount --bind "$2" /etc/hosts
    shift 2
    exec "$@"' sh "$(jq -r .ResolvConfPath <<<"$sandbox")" "$(jq -r .HostsPath <<<"$sandbox")" "$@"
}

# Whatever fails: sandboxes go before their namespaces and before their networks. What isn't there is no error here.
page=$(mktemp -d) server=
tear_down() {
  [ -z "$server" ] || kill "$server"
  rm -r "$page"
  ask DELETE /sandboxes/example-web
  ask DELETE /sandboxes/example-client
  ask DELETE /networks/example
  ask DELETE /networks/example-back
  ip netns del example-web
} 2>/dev/null
trap 'tear_down || true' EXIT

echo "1. networks (Docker's own API)"
ask POST /networks/create '{"Name": "example", "IPAM": {"Config": [{"Subnet": "10.77.0.0/24"}]}}' | jq -c '{Id}'
ask POST /networks/create '{"Name": "example-back", "Internal": true}' | jq -c '{Id}'

echo "2. a network namespace, as an engine has one before it starts a container"
ip netns add example-web

echo "3. netd makes it a sandbox: interface, address, routes, names, a published port, or nothing of it all"
ask POST /sandboxes '{
  "Name": "example-web",
  "NetnsPath": "/run/netns/example-web",
  "Hostname": "web",
  "Networks": [{"Network": "example", "Aliases": ["www"], "IPAMConfig": {"IPv4Address": "10.77.0.10"}}],
  "PortBindings": {"80/tcp": [{"HostPort": "18080"}]}
}' | jq -c '{Id, NetnsPath, ResolvConfPath, address: .Networks.example.IPAddress, interface: .Networks.example.Interface}'

echo "4. another one, whose namespace netd makes"
ask POST /sandboxes '{"Name": "example-client", "Networks": [{"Network": "example"}]}' | jq -c '{NetnsPath}'

echo "5. the container's program"
echo "hello from $(basename "$0")" >"$page/index.html"
ip netns exec example-web busybox httpd -f -p 80 -h "$page" &
server=$!
get=(curl -sS --retry 20 --retry-connrefused --retry-delay 1 --max-time 5)

echo "6. it answers by name, by alias, and at the host's published port"
inside example-client "${get[@]}" http://example-web/
inside example-client "${get[@]}" http://www/
"${get[@]}" http://127.0.0.1:18080/

echo "7. one more port, and the first one away, while it runs"
ask POST /sandboxes/example-web/ports '{
  "Add": {"80/tcp": [{"HostPort": "18081"}]},
  "Remove": {"80/tcp": [{"HostPort": "18080"}]}
}' | jq -c .Ports
"${get[@]}" http://127.0.0.1:18081/

echo "8. another network, and away again (Docker's own API)"
ask POST /networks/example-back/connect '{"Container": "example-web"}'
ask GET /sandboxes/example-web | jq -c '.Networks | map_values(.Interface)'
ask POST /networks/example-back/disconnect '{"Container": "example-web"}'

echo "9. teardown: the sandbox first; the namespace stays until we remove it, it is ours"
kill "$server"
wait "$server" || true
server=
ask DELETE /sandboxes/example-web
ip netns del example-web
ask DELETE /sandboxes/example-client
ask DELETE /networks/example
ask DELETE /networks/example-back
rm -r "$page"
trap - EXIT
echo "nothing is left"
