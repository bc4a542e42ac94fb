# The tour of two hosts that share a network, on a store of three etcds. Sourced by ./quickstart.
more_packages=(overlay)
more_targets=(netd_store_etcd)

# ---- the world: a switch with two hosts and the store on it ------------------------------------------------

member_address() { echo "192.0.2.$((100 + $1))"; }
on() { # HOST COMMAND…
  local host=$1
  shift
  NETD_HOST=unix:///run/quickstart/host$host/netd.sock nsenter --net="/run/netns/host$host" "$@"
}
on1() { on 1 "$@"; }
on2() { on 2 "$@"; }
fetch=(curl -sS --max-time 5)

make_world() {
  explain "Two hosts (192.0.2.1, 192.0.2.2) on a switch, and three etcds (192.0.2.101 to 103)."
  ip link set lo up
  ip link add switch type bridge
  ip link set switch up
  for i in 1 2 3; do ip address add "$(member_address $i)/24" dev switch; done
  for i in 1 2; do
    ip netns add host$i
    ip -n host$i link set lo up
    ip link add to$i type veth peer name eth0 netns host$i
    ip link set to$i master switch up
    ip -n host$i address add 192.0.2.$i/24 dev eth0
    ip -n host$i link set eth0 up
    mkdir -p /run/quickstart/host$i
  done
  mkdir -p /run/quickstart/web
  echo "hello from web" >/run/quickstart/web/index.html
}

start_member() {
  local address
  address=$(member_address "$1")
  etcd --name "m$1" --data-dir "/run/quickstart/etcd$1" --pre-vote \
    --listen-client-urls "http://$address:2379" --advertise-client-urls "http://$address:2379" \
    --listen-peer-urls "http://$address:2380" --initial-advertise-peer-urls "http://$address:2380" \
    --initial-cluster "m1=http://192.0.2.101:2380,m2=http://192.0.2.102:2380,m3=http://192.0.2.103:2380" \
    >/run/quickstart/etcd$1.log 2>&1 &
  member_pid[$1]=$!
  disown -a
}
etcdctl() { ETCDCTL_API=3 command etcdctl --endpoints="$(member_address 1):2379,$(member_address 2):2379,$(member_address 3):2379" "$@"; }
store_answers() { etcdctl --command-timeout=1s get x; }
leader() { # its number
  etcdctl endpoint status 2>/dev/null | awk -F', ' '$5 == "true" { print substr($1, 11, 1) }'
}

start_netd() { # HOST
  printf '  host%s$ netd --cluster etcd://192.0.2.101:2379,192.0.2.102:2379,192.0.2.103:2379 --insecure-store &\n' "$1"
  (cd /run/quickstart/host$1 && echo '{"bridge": "none"}' >netd.json &&
    exec nsenter --net=/run/netns/host$1 netd --config netd.json --state-dir /run/quickstart/host$1/state \
      --run-dir /run/quickstart/host$1 --cluster etcd://192.0.2.101:2379,192.0.2.102:2379,192.0.2.103:2379 --insecure-store) \
    >>/run/quickstart/netd.log 2>&1 &
  netd_pid[$1]=$!
  disown -a
  if wait_for on "$1" netctl cluster status; then
    pass "host$1 is a live member of the cluster"
  else
    fail "host$1 does not join the cluster"
    tail -n 20 /run/quickstart/netd.log | indent
    return 1
  fi
}

traces() {
  for i in 1 2; do
    echo "host$i, links:" && ip -n host$i -o link show | sed 's/^[0-9]*: \([^:@]*\).*/  \1/' | sort
    echo "host$i, nft tables:" && nsenter --net=/run/netns/host$i nft list tables | sed 's/^/  /'
  done
  echo "in the store:" && etcdctl get --prefix --keys-only /netd/ | grep -E '/(net|netname|vni|pool|ip|mac|ep)/' | sed 's/^/  /' || true
}

# ---- the tour --------------------------------------------------------------------------------------------

tour_start() {
  heading "1. A store of three etcds"
  for i in 1 2 3; do start_member $i; done
  if wait_for store_answers; then pass "the store answers"; else fail "etcd does not answer" && return 1; fi
  traces >/run/quickstart/before

  heading "2. Two hosts join"
  start_netd 1 && start_netd 2 || return 1
  wait_for on 1 sh -c 'netctl cluster host ls | grep -q "192.0.2.2"' || fail "host1 does not see host2"
  run on1 netctl cluster status || true

  heading "3. A network, made on one host, used on both"
  expect "network shop, made on host1" "" on1 netctl network create --driver overlay shop
  wait_for on 2 sh -c 'netctl network ls | grep -q shop' || fail "host2 does not know the network"
  expect "host2 has it too" "shop" on2 netctl network ls
  expect "web, on host1, published there" "" on1 netctl sandbox create --network shop --publish 8080:80 web
  expect "client, on host2" "" on2 netctl sandbox create --network shop client
  on1 netctl sandbox exec web -- busybox httpd -f -p 80 -h /run/quickstart/web &
  disown -a
  wait_for on1 netctl sandbox exec web -- curl -s http://127.0.0.1/ || fail "the web server does not listen"
}

tour_packets() {
  heading "4. From container to container, between hosts"
  wait_for on2 netctl sandbox exec client -- getent hosts web || true
  expect "client, on host2, fetches it by name" "hello from web" on2 netctl sandbox exec client -- "${fetch[@]}" http://web/
  expect "host2 fetches it at host1's address, by the published port" "hello from web" on2 "${fetch[@]}" http://192.0.2.1:8080/
  explain "What the kernel of host2 knows of web: no learning, no flooding, nothing to ask anybody."
  run on2 sh -c 'bridge fdb show | grep "dst 192.0.2.1"' || true
  expect "and back: web knows client by name" "" on1 netctl sandbox exec web -- getent hosts client
}

tour_crash() {
  heading "5. kill -9 both netds and the store's leader, while packets flow"
  local killed address
  address=$(on1 netctl sandbox inspect web | tr -d ' \n' | grep -oP '"shop":\{[^}]*"IPAddress":"\K[0-9.]+')
  fetch_on "$address" on2 netctl sandbox exec client -- || fail "no traffic"
  killed=$(leader)
  printf '  $ kill -9 %s %s   # netd of both hosts\n  $ kill -9 %s         # etcd m%s, the leader\n' \
    "${netd_pid[1]}" "${netd_pid[2]}" "${member_pid[$killed]}" "$killed"
  kill -9 "${netd_pid[1]}" "${netd_pid[2]}" "${member_pid[$killed]}"
  wait_for dead "${netd_pid[1]}" && wait_for dead "${netd_pid[2]}"
  sleep 1
  start_netd 1 && start_netd 2 || return 1
  expect "a sandbox more, with two etcds of three" "" on2 netctl sandbox create --network shop another
  wait_for on1 netctl sandbox exec web -- getent hosts another || true
  expect "host1 has heard of it" "another" on1 netctl sandbox exec web -- getent hosts another
  end_fetching 0
  start_member "$killed"
}

tour_remove() {
  heading "6. Remove everything, and prove it"
  refuse "a network that is in use on another host stays" on1 netctl network rm shop
  expect "sandboxes removed on host1" "" on1 netctl sandbox rm web
  expect "sandboxes removed on host2" "" on2 netctl sandbox rm client another
  expect "the network removed, on host2" "" on2 netctl network rm shop
  for i in 1 2; do
    expect "netd's traces on host$i removed" "" on $i netctl system purge --force
    kill -TERM "${netd_pid[$i]}"
    wait_for dead "${netd_pid[$i]}" || fail "netd of host$i does not stop"
  done
  prove_nothing_left "nothing is left on either host, nor in the store"
}

tour() {
  declare -ga member_pid netd_pid
  make_world
  tour_start || return 0
  tour_packets
  tour_crash || true
  [ "$keep" = yes ] || tour_remove
}

# What to play with, in the namespaces of process $1.
play() {
  local enter="sudo nsenter --target $1 --net --mount --pid"
  cat <<TEXT
  be host1:  $enter nsenter --net=/run/netns/host1 env PATH=$programs:\$PATH NETD_HOST=unix:///run/quickstart/host1/netd.sock bash
  be host2:  the same with host2
  then, for example:  netctl cluster status
                      netctl network create -d overlay lab && netctl sandbox create --network lab box
                      netctl sandbox exec client -- bash
TEXT
}
