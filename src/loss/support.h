#pragma once
#include <ATen/core/Tensor.h>

#include <string>

#include "diptych/core/tensor/rows.h"
#include "diptych/loss/functional.h"

// What the losses share: checks with readable messages, match masks.
namespace diptych::loss_support {

/// x, y [B, D] alike, label [B] int64, B > 0; otherwise throws ShapeError that begins with `who`.
void check_views(const char* who, const at::Tensor& x, const at::Tensor& y, const at::Tensor& label);
/// scores [B, B], label [B] int64, B > 0.
void check_scores(const char* who, const at::Tensor& scores, const at::Tensor& label);
/// `labels` [rows] int64.
void check_integers(const char* who, const char* name, const at::Tensor& labels, int64_t rows);
/// Labels within [0, classes); only looked at where that needs no synchronisation (CPU).
void check_classes(const char* who, const at::Tensor& label, int64_t classes);
void check_defined(const char* who, const char* what, const at::Tensor& tensor);

/// [n], [m] -> [n, m] bool: a_i = b_j.
at::Tensor equal_pairs(const at::Tensor& a, const at::Tensor& b);
/// sqrt(|a_i - b_j|^2 + floor), [n, m]: a [n, D], b [m, D]; floor > 0 bounds the gradient.
at::Tensor euclidean(const at::Tensor& a, const at::Tensor& b, double floor);
/// [B, B] bool: same label, or the diagonal.
at::Tensor matches(const at::Tensor& label, Positives positives);

/// Both directions and their sum; an undefined one does not count.
LossValue sum_of_directions(at::Tensor x_to_y, at::Tensor y_to_x);

}  // namespace diptych::loss_support
