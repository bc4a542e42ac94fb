# The tour of one host: networks, sandboxes, packets, a crash, and nothing left. Sourced by ./quickstart.

# ---- the world around netd: an uplink, a neighbour outside, a DNS server there --------------------------

host_address=192.0.2.1
outside_address=192.0.2.2

fetch=(curl -sS --max-time 5)
outside=(ip netns exec outside)

make_world() {
  explain "A host with an uplink ($host_address), and a machine outside ($outside_address) with a DNS and a web server."
  ip link set lo up
  ip netns add outside
  ip -n outside link set lo up
  ip link add uplink type veth peer name uplink netns outside
  ip address add "$host_address/24" dev uplink
  ip link set uplink up
  ip -n outside address add "$outside_address/24" dev uplink
  ip -n outside link set uplink up

  mkdir -p /run/quickstart/{web,outside,state}
  echo "hello from web" >/run/quickstart/web/index.html
  echo "hello from the outside" >/run/quickstart/outside/index.html
  "${outside[@]}" busybox httpd -f -p 80 -h /run/quickstart/outside &
  "${outside[@]}" dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= --user=root --no-resolv --no-hosts \
    --bind-interfaces --listen-address="$outside_address" --address="/example.test/$outside_address" &
  disown -a

  # The host's resolv.conf, for this mount namespace only.
  echo "nameserver $outside_address" >/run/quickstart/resolv.conf
  local target
  target=$(readlink -m /etc/resolv.conf)
  case $target in
    /run/*) mkdir -p "$(dirname "$target")" && cp /run/quickstart/resolv.conf "$target" ;;
    *) mount --bind /run/quickstart/resolv.conf "$target" ;;
  esac
}

start_netd() {
  # A configuration of its own, so that this machine's /etc/netd/netd.json does not matter.
  printf '  $ netd --config netd.json --state-dir state &\n'
  (cd /run/quickstart && echo '{}' >netd.json &&
    exec netd --config netd.json --state-dir /run/quickstart/state) >>/run/quickstart/netd.log 2>&1 &
  netd_pid=$!
  disown "$netd_pid" # no "Killed" from the shell later on
  if wait_for netctl system info; then
    pass "netd answers (pid $netd_pid)"
  else
    fail "netd does not answer"
    tail -n 20 /run/quickstart/netd.log | indent
    return 1
  fi
}

# All that netd could leave behind in the host's namespaces.
traces() {
  echo "links:" && ip -o link show | sed 's/^[0-9]*: \([^:@]*\).*/  \1/' | sort
  echo "net.ipv4.ip_forward: $(cat /proc/sys/net/ipv4/ip_forward)"
  echo "nft tables:" && nft list tables | sed 's/^/  /'
  echo "pinned namespaces:" && awk '$9 == "nsfs" || $8 == "nsfs" { print "  " $5 }' /proc/self/mountinfo | sort
  echo "files:" && { find /run/netd -mindepth 1 \( -path '*/netns/*' -o -path '*/sandboxes/*' -o -name '*.sock' \) 2>/dev/null || true; } |
    sed 's/^/  /' | sort
}

# ---- the tour ----------------------------------------------------------------------------------------

tour_create() {
  heading "1. Start the daemon"
  traces >/run/quickstart/before
  start_netd || return 1

  heading "2. Two networks, three sandboxes"
  expect "network shop" "" netctl network create shop
  expect "network other" "" netctl network create other
  expect "web, published on the host's port 8080" "" netctl sandbox create --network shop --publish 8080:80 web
  expect "client, on the same network" "" netctl sandbox create --network shop client
  expect "stranger, on another network" "" netctl sandbox create --network other stranger
  run netctl network ls || true
  explain "A real web server, in the sandbox web:"
  printf '  $ netctl sandbox exec web -- busybox httpd -f -p 80 -h /run/quickstart/web &\n'
  netctl sandbox exec web -- busybox httpd -f -p 80 -h /run/quickstart/web &
  disown -a
  wait_for netctl sandbox exec web -- curl -s http://127.0.0.1/ || fail "the web server does not listen"
  web_address=$(netctl sandbox inspect web | grep -oP '"IPAddress": *"\K[0-9.]+' | head -n 1)
}

tour_packets() {
  heading "3. Who reaches the web server, and who does not"
  expect "client fetches it by name" "hello from web" netctl sandbox exec client -- "${fetch[@]}" http://web/
  expect "the host fetches it at its own address" "hello from web" "${fetch[@]}" "http://$host_address:8080/"
  expect "the host fetches it at localhost, through netd's relay" "hello from web" "${fetch[@]}" http://localhost:8080/
  expect "a machine outside fetches it at the host's address" "hello from web" \
    "${outside[@]}" "${fetch[@]}" "http://$host_address:8080/"
  explain "Now what must fail: stranger is on another network."
  refuse "stranger does not know the name" netctl sandbox exec stranger -- curl -sS --max-time 2 http://web/
  refuse "stranger does not reach the address either" \
    netctl sandbox exec stranger -- curl -sS --max-time 2 "http://$web_address/"

  heading "4. The world outside"
  expect "client looks up an outside name" "$outside_address" \
    netctl sandbox exec client -- getent ahostsv4 example.test
  expect "client fetches from outside, masqueraded" "hello from the outside" \
    netctl sandbox exec client -- "${fetch[@]}" http://example.test/

  heading "5. The picture"
  expect "netctl topology shows it" "web" netctl topology
}

tour_crash() {
  heading "6. kill -9 netd while packets flow"
  fetch_on "$web_address" netctl sandbox exec client -- || fail "no traffic"
  local before
  before=$(fetches ok)
  printf '  $ kill -9 %s\n' "$netd_pid"
  kill -9 "$netd_pid"
  wait_for dead "$netd_pid"
  refuse "netd is dead" netctl system info
  sleep 1
  explain "$(($(fetches ok) - before)) fetches from client to web since then, without netd."
  expect "outside still fetches through the published port" "hello from web" \
    "${outside[@]}" "${fetch[@]}" "http://$host_address:8080/"
  start_netd || return 1
  end_fetching "$before"
  expect "the networks are still there" "shop" netctl network ls
  expect "the sandboxes are still there" "stranger" netctl sandbox ls
  expect "names work again" "hello from web" netctl sandbox exec client -- "${fetch[@]}" http://web/
  expect "and so does localhost" "hello from web" "${fetch[@]}" http://localhost:8080/
}

tour_remove() {
  heading "7. Remove everything, and prove it"
  expect "sandboxes removed" "" netctl sandbox rm web client stranger
  expect "networks removed" "" netctl network rm shop other
  expect "netd's own traces removed (built-in networks, firewall)" "" netctl system purge --force
  printf '  $ kill -TERM %s\n' "$netd_pid"
  kill -TERM "$netd_pid"
  wait_for dead "$netd_pid" || fail "netd does not stop"
  prove_nothing_left "nothing is left"
}

tour() {
  make_world
  tour_create || return 0
  tour_packets
  tour_crash || true
  [ "$keep" = yes ] || tour_remove
}

# What to play with, in the namespaces of process $1.
play() {
  cat <<TEXT
  go in (host side):  sudo nsenter --target $1 --net --mount --pid env PATH=$programs:\$PATH bash
  then, for example:  netctl topology
                      netctl network create lab && netctl sandbox create --network lab -p 8081:80 box
                      netctl sandbox exec client -- bash
                      netctl network connect other client
                      docker -H unix:///run/netd/netd.sock network ls
  be the outside:     ip netns exec outside curl http://$host_address:8080/
TEXT
}
