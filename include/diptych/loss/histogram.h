#pragma once
#include "diptych/loss/loss_value.h"

namespace diptych {

/// Histogram loss: the probability that a random negative pair is more similar than a random positive one.
///
///   h+, h-: histograms of the positives' and the negatives' scores on the nodes t_r = -1, -1 + step, ..., 1; a score
///   between two nodes is shared by them in proportion (triangular kernel), each histogram sums to 1
///   L = sum_r h-_r sum_{q <= r} h+_q                                   (Ustinova and Lempitsky, NeurIPS 2016)
///
/// scores     [B, B] cosines; values outside [-1, 1] count as -1 or 1, without gradient
/// step       distance of the nodes, in (0, 1]; 2/step must be a whole number. A positive and a negative pull only
/// while
///            their scores share a node, so that a small step leaves small batches without gradient
/// positives  which cells are positive: rows with the same label or only the diagonal; all others are negative
/// returns    total in [0, 1]; both directions see the same cells, so x_to_y and y_to_x are undefined
/// throws     ShapeError also for a step that does not divide 2
///
/// Without negatives the loss is 0. An image in several rows counts once per cell.
LossValue histogram_loss(const at::Tensor& scores, const at::Tensor& label, double step = 0.1,
                         Positives positives = Positives::labels);

}  // namespace diptych
