#include "worker/process/metrics.h"

#include <algorithm>

namespace triptych::worker {

void Metrics::Count(std::string_view name, std::string_view help, const MetricLabels& labels, Read read) {
  counters_.emplace_back(&registry_.Counter(name, help, labels), std::move(read));
}

void Metrics::Gauge(std::string_view name, std::string_view help, const MetricLabels& labels, Read read) {
  gauges_.emplace_back(&registry_.Gauge(name, help, labels), std::move(read));
}

void Metrics::Update() {
  for (const auto& [counter, read] : counters_) counter->Increment(std::max(0.0, read() - counter->Value()));
  for (const auto& [gauge, read] : gauges_) gauge->Set(read());
}

void Metrics::ShowEngine(const engine::EngineStats& stats, int32_t num_blocks) {
  const auto counter = [&](std::string_view name, std::string_view help, const std::atomic<uint64_t>& value, MetricLabels labels = {}) {
    Count(name, help, labels, [&value] { return static_cast<double>(value.load()); });
  };
  const auto gauge = [&](std::string_view name, std::string_view help, const std::atomic<int64_t>& value, MetricLabels labels = {}) {
    Gauge(name, help, labels, [&value] { return static_cast<double>(value.load()); });
  };
  const std::string_view requests = "triptych_worker_requests_total";
  const std::string_view requests_help = "Requests by what became of them; accepted = completed + failed + cancelled + live";
  counter(requests, requests_help, stats.accepted, {{"outcome", "accepted"}});
  counter(requests, requests_help, stats.completed, {{"outcome", "completed"}});
  counter(requests, requests_help, stats.failed, {{"outcome", "failed"}});
  counter(requests, requests_help, stats.cancelled, {{"outcome", "cancelled"}});
  gauge("triptych_worker_live_requests", "Requests in the engine", stats.live);
  gauge("triptych_worker_running_sequences", "Sequences that hold KV blocks", stats.running);
  gauge("triptych_worker_waiting_sequences", "Sequences that wait for their turn", stats.waiting);
  gauge("triptych_worker_waiting_prefill_tokens", "Prompt tokens that are still to be computed", stats.waiting_prefill_tokens);
  const std::string_view blocks = "triptych_worker_kv_blocks";
  const std::string_view blocks_help = "KV blocks: used by live sequences, free, or cached for reuse (cached ones count as free)";
  gauge(blocks, blocks_help, stats.used_blocks, {{"state", "used"}});
  gauge(blocks, blocks_help, stats.free_blocks, {{"state", "free"}});
  gauge(blocks, blocks_help, stats.cached_blocks, {{"state", "cached"}});
  counter("triptych_worker_steps_total", "Finished engine steps", stats.steps);
  counter("triptych_worker_cancel_steps_total", "Steps that finished between a cancel's arrival and its blocks' return", stats.cancel_steps);
  counter("triptych_worker_prompt_tokens_total", "Prompt tokens of admitted requests", stats.prompt_tokens);
  counter("triptych_worker_prefix_hit_tokens_total", "Prompt tokens found in the prefix cache", stats.prefix_hit_tokens);
  counter("triptych_worker_output_tokens_total", "Generated tokens", stats.output_tokens);
  counter("triptych_worker_preemptions_total", "Requests whose blocks were taken back", stats.preemptions);
  // What existing boards and the Gateway API Inference Extension look for, with the same meanings.
  gauge("vllm:num_requests_running", "Sequences that hold KV blocks", stats.running);
  gauge("vllm:num_requests_waiting", "Sequences that wait for their turn", stats.waiting);
  Gauge("vllm:kv_cache_usage_perc", "Share of the KV blocks in use, 0 to 1", {},
        [&stats, num_blocks] { return static_cast<double>(stats.used_blocks.load()) / num_blocks; });
  Gauge("vllm:cache_config_info", "The KV cache's shape, as labels",
        {{"block_size", std::to_string(kBlockTokens)}, {"num_gpu_blocks", std::to_string(num_blocks)}}, [] { return 1.0; });
}

void Metrics::ShowEncoder(const vision::EncodeBatcher& batcher) {
  const auto counter = [&](std::string_view name, std::string_view help, uint64_t vision::EncodeBatcher::Counters::*field, MetricLabels labels = {}) {
    Count(name, help, labels, [&batcher, field] { return static_cast<double>(batcher.counters().*field); });
  };
  using Counters = vision::EncodeBatcher::Counters;
  const std::string_view images = "triptych_worker_images_total";
  const std::string_view help = "Pictures by what became of them; submitted = hit + joined + refused + encoded + failed + in flight";
  counter(images, help, &Counters::submitted, {{"outcome", "submitted"}});
  counter(images, help, &Counters::hits, {{"outcome", "hit"}});
  counter(images, help, &Counters::joined, {{"outcome", "joined"}});
  counter(images, help, &Counters::refused, {{"outcome", "refused"}});
  counter(images, help, &Counters::encoded, {{"outcome", "encoded"}});
  counter(images, help, &Counters::failed, {{"outcome", "failed"}});
  counter("triptych_worker_tiles_total", "Tiles that the vision tower has run", &Counters::tiles);
  counter("triptych_worker_tile_batches_total", "Batches that the vision tower has run", &Counters::batches);
  Gauge("triptych_worker_images_in_flight", "Pictures being prepared or encoded", {},
        [&batcher] { return static_cast<double>(batcher.in_flight()); });
  Gauge("triptych_worker_waiting_tiles", "Prepared tiles that wait for the tower", {},
        [&batcher] { return static_cast<double>(batcher.waiting_tiles()); });
}

void Metrics::ShowStore(const char* role, const vision::EmbeddingStore& store) {
  Gauge("triptych_worker_embedding_bytes", "Bytes of picture rows in the cache", {{"role", role}},
        [&store] { return static_cast<double>(store.bytes()); });
  Gauge("triptych_worker_embeddings", "Pictures in the cache", {{"role", role}},
        [&store] { return static_cast<double>(store.entries()); });
  Count("triptych_worker_embedding_lookups_total", "Lookups in the cache of picture rows", {{"role", role}, {"result", "hit"}},
        [&store] { return static_cast<double>(store.hits()); });
  Count("triptych_worker_embedding_lookups_total", "Lookups in the cache of picture rows", {{"role", role}, {"result", "miss"}},
        [&store] { return static_cast<double>(store.misses()); });
}

}  // namespace triptych::worker
