// Threads that help with a search that asks for more than its own. They are started by the first search that does, and
// joined by the owner's destructor.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace sophon::match {

class Helpers {
 public:
  using Work = std::function<void()>;

  Helpers() = default;
  ~Helpers();
  Helpers(const Helpers&) = delete;
  Helpers& operator=(const Helpers&) = delete;
  Helpers(Helpers&&) = delete;
  Helpers& operator=(Helpers&&) = delete;

  // Up to `count` helpers will call the work, as soon as they get a processor; nobody waits for them.
  void ask(const std::shared_ptr<const Work>& work, std::size_t count);
  // Helpers that have not begun with it need not any more.
  void forget(const std::shared_ptr<const Work>& work);

 private:
  void help();

  std::mutex mutex_;
  std::condition_variable asked_;
  std::deque<std::shared_ptr<const Work>> requests_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace sophon::match
