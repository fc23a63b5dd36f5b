#include "match/helpers.h"

#include <algorithm>
#include <utility>

namespace sophon::match {

Helpers::~Helpers() {
  {
    const std::scoped_lock guard(mutex_);
    closing_ = true;
    requests_.clear();
  }
  asked_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

void Helpers::ask(const std::shared_ptr<const Work>& work, std::size_t count) {
  {
    const std::scoped_lock guard(mutex_);
    while (threads_.size() < count) {
      threads_.emplace_back([this] { help(); });
    }
    requests_.insert(requests_.end(), count, work);
  }
  asked_.notify_all();
}

void Helpers::forget(const std::shared_ptr<const Work>& work) {
  const std::scoped_lock guard(mutex_);
  std::erase(requests_, work);
}

void Helpers::help() {
  while (true) {
    std::shared_ptr<const Work> work;
    {
      std::unique_lock lock(mutex_);
      asked_.wait(lock, [&] { return closing_ || !requests_.empty(); });
      if (closing_) {
        return;
      }
      work = std::move(requests_.front());
      requests_.pop_front();
    }
    try {
      (*work)();
    } catch (...) {  // NOLINT(bugprone-empty-catch): the search does this share itself, and meets the error where it
                     // can be told
    }
  }
}

}  // namespace sophon::match
