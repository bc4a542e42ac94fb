// EtcdStore::status: every member is asked at the same time.
#include <future>
#include <sstream>

#include "netd/etcd/etcd.grpc.pb.h"
#include "netd/etcd/store.h"

namespace netd::etcd {
namespace {

namespace pb = etcdserverpb;

std::string name(pb::AlarmType alarm) {
  switch (alarm) {
    case pb::NOSPACE:
      return "NOSPACE";
    case pb::CORRUPT:
      return "CORRUPT";
    default:
      return "alarm " + std::to_string(alarm);
  }
}

std::string to_hex(std::uint64_t number) {
  std::ostringstream text;
  text << std::hex << number;
  return text.str();
}

}  // namespace

SharedStore::Member EtcdStore::status_of(etcd::Member& member, std::uint64_t& cluster) {
  SharedStore::Member shown{.endpoint = member.endpoint()};
  const Time deadline = std::chrono::system_clock::now() + members_.options().deadline;
  if (const auto problem = member.connect(deadline)) {
    shown.problem = problem->text;
    return shown;
  }
  grpc::ClientContext context;
  context.set_deadline(deadline);
  pb::StatusResponse answer;
  const auto stub = pb::Maintenance::NewStub(member.channel());
  const auto asked = std::chrono::steady_clock::now();
  if (const auto status = stub->Status(&context, {}, &answer); !status.ok()) {
    shown.problem = readable(status);
    return shown;
  }
  shown.latency = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - asked);
  shown.version = answer.version();
  shown.leader = answer.leader() == answer.header().member_id();
  shown.bytes = answer.dbsize();
  if (answer.leader() == 0) shown.problem = "it has no leader";
  cluster = answer.header().cluster_id();

  grpc::ClientContext alarm_context;
  alarm_context.set_deadline(deadline);
  pb::AlarmResponse alarms;
  if (const auto status = stub->Alarm(&alarm_context, {}, &alarms); !status.ok())
    shown.problem = readable(status);
  for (const auto& alarm : alarms.alarms())
    if (alarm.memberid() == answer.header().member_id())
      shown.alarms.push_back(name(alarm.alarm()));
  return shown;
}

SharedStore::Status EtcdStore::status() {
  std::vector<std::uint64_t> clusters(members_.size());
  std::vector<std::future<SharedStore::Member>> asked;
  for (std::size_t i = 0; i < members_.size(); ++i)
    asked.push_back(
        std::async(std::launch::async, [&, i] { return status_of(members_[i], clusters[i]); }));
  Status status;
  for (auto& one : asked)
    status.members.push_back(one.get());
  for (const std::uint64_t cluster : clusters)
    if (cluster != 0 && status.cluster.empty()) status.cluster = to_hex(cluster);
  return status;
}

}  // namespace netd::etcd
