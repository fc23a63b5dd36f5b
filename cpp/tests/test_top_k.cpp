#include <doctest/doctest.h>

#include "match/top_k.h"

using sophon::match::Hit;
using sophon::match::TopK;

TEST_CASE("the best k keys come sorted, equal scores by key") {
  TopK top(3, -1.0F);
  for (const Hit hit : {Hit{5, 0.1F}, Hit{9, 0.7F}, Hit{2, 0.7F}, Hit{7, 0.3F}, Hit{8, 0.3F}}) {
    top.offer(hit);
  }
  const auto hits = top.sorted();
  REQUIRE(hits.size() == 3);
  CHECK(hits[0].key == 2);
  CHECK(hits[1].key == 9);
  CHECK(hits[2].key == 7);
}

TEST_CASE("a key has one place, with its best score, and the floor counts keys") {
  TopK top(2, 0.0F);
  for (int i = 0; i < 100; ++i) {
    top.offer({1, 0.5F + 0.001F * static_cast<float>(i)});
  }
  top.settle();
  CHECK(top.floor() == 0.0F);
  top.offer({2, 0.25F});
  top.settle();
  CHECK(top.floor() == 0.25F);
  CHECK(top.sorted()[0].score == doctest::Approx(0.599F));
}

TEST_CASE("what is below the threshold is not a hit, what is on it is") {
  TopK top(2, 0.5F);
  top.offer({1, 0.49F});
  top.offer({2, 0.5F});
  CHECK(top.sorted().size() == 1);
}
