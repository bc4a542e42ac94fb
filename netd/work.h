// One verb's changes to records and kernel, all or nothing: intent into the store, then one
// transition, then the result into the store and the model.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "netd/records.h"
#include "netd/store.h"
#include "sandbox/kernel.h"

namespace netd {

class Work {
 public:
  Work(Store& store, sandbox::Kernel& kernel, Records& records)
      : store_(store), kernel_(kernel), records_(records) {}

  /// A new object; `record.progress.plan` is what it wants in the kernel. With `joined` false the
  /// record stays `joining` for a later Work of the same verb to finish.
  void make(Record record, bool joined = true);
  /// An object that is there becomes `record`, its plan included.
  void change(Record record);
  /// An object goes, and with it all of its plan.
  void remove(const Record& record);

  bool is_empty() const { return changes_.empty(); }

  /// Carries everything out. On an exception nothing has changed. What could not be undone in the
  /// kernel comes back as texts; the records it belongs to stay, `leaving`, for the next try.
  std::vector<std::string> commit(Durability durability);

 private:
  struct Item {
    std::optional<Record> before;
    std::optional<Record> after;
  };

  void write_intents();
  void write_results(bool undone_all, Durability durability);
  void write_back();
  void keep_for_later();

  Store& store_;
  sandbox::Kernel& kernel_;
  Records& records_;
  std::vector<Item> changes_;
};

/// The plans of several objects as one, in the order the kernel needs: networks, sandboxes,
/// endpoints, and last the sandboxes' routes, which need the endpoints' links.
sandbox::Plan assemble(const std::vector<const Record*>& records);

}  // namespace netd
