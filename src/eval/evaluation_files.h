#pragma once
#include <cstdint>

// File names and limits of an evaluation's folder (evaluation_record.h), for its writer and its reader.
namespace diptych::evaluation_files {

constexpr const char* kMetrics = "metrics.json";
constexpr const char* kItems = "items.jsonl";
constexpr const char* kEmbeddings = "embeddings.safetensors";
constexpr const char* kRanks = "ranks.npz";
constexpr const char* kQueries = "per_query.jsonl";
constexpr int64_t kVersion = 1;
constexpr uint64_t kMaxBytes = uint64_t{4} << 30;

}  // namespace diptych::evaluation_files
