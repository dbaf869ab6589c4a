#include "loss/instance.h"

#include <torch/torch.h>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "loss/classification.h"
#include "loss/support.h"

namespace diptych {
namespace {

void check_classifier(const Classifier& classifier, const at::Tensor& features, const at::Tensor& label) {
  loss_support::check_weight("instance_loss", classifier.weight, features.size(1));
  const int64_t classes = classifier.weight.size(1);
  if (classifier.bias.defined() && (classifier.bias.dim() != 1 || classifier.bias.size(0) != classes))
    throw ShapeError(concat("instance_loss: bias ", classifier.bias.sizes(), " must be [", classes, "]"));
  loss_support::check_classes("instance_loss", label, classes);
}

at::Tensor logits_of(const at::Tensor& features, const Classifier& classifier) {
  if (!classifier.bias.defined()) return at::mm(features, classifier.weight);
  return at::addmm(classifier.bias, features, classifier.weight);
}

}  // namespace

LossValue instance_loss(const at::Tensor& image, const at::Tensor& text, const at::Tensor& label,
                        const Classifier& image_classifier, const Classifier& text_classifier, double text_weight,
                        double label_smoothing, const at::Tensor& text_label) {
  const at::Tensor& y_label = text_label.defined() ? text_label : label;
  if (text_label.defined()) {
    loss_support::check_views("instance_loss", image, image, label);
    loss_support::check_views("instance_loss", text, text, text_label);
  } else {
    loss_support::check_views("instance_loss", image, text, label);
  }
  check_classifier(image_classifier, image, label);
  check_classifier(text_classifier, text, y_label);
  const at::Tensor x = at_least_float(image), y = at_least_float(text);
  at::Tensor of_image, of_text;  // an entry a row
  if (image_classifier.weight.is_same(text_classifier.weight)) {
    const at::Tensor logits = logits_of(at::cat({x, y}), image_classifier);
    const at::Tensor each = loss_support::row_cross_entropy(logits, at::cat({label, y_label}), label_smoothing);
    of_image = each.narrow(0, 0, x.size(0)), of_text = each.narrow(0, x.size(0), y.size(0));
  } else {
    of_image = loss_support::row_cross_entropy(logits_of(x, image_classifier), label, label_smoothing);
    of_text = loss_support::row_cross_entropy(logits_of(y, text_classifier), y_label, label_smoothing);
  }
  const at::Tensor x_to_y = of_image.mean(), y_to_x = of_text.mean();
  return {x_to_y + text_weight * y_to_x, x_to_y, y_to_x};
}

InstanceLoss::InstanceLoss(const Options& options, const LossContext& context) : options_(options) {
  image_ = new_classifier(options.shared ? "" : "image_", context);
  text_ = options.shared ? image_ : new_classifier("text_", context);
}

Classifier InstanceLoss::new_classifier(const std::string& prefix, const LossContext& context) {
  Classifier made;
  made.weight = register_parameter(prefix + "weight",
                                   loss_support::new_classifier_weight("instance", context.dimension, context.classes));
  if (options_.bias) made.bias = register_parameter(prefix + "bias", at::zeros({context.classes}));
  return made;
}

LossValue InstanceLoss::forward(const LossInput& input) {
  loss_support::check_views("instance", input.x, input.y, input.label);
  const auto dropped = [&](const at::Tensor& x) { return at::dropout(x, options_.dropout, is_training()); };
  const bool more = input.chosen.defined();
  const at::Tensor y = more ? at::cat({input.y, input.chosen}) : input.y;
  const at::Tensor text_label = more ? at::cat({input.label, input.chosen_label}) : at::Tensor();
  return instance_loss(dropped(input.x), dropped(y), input.label, image_, text_,
                       input.text_weight.value_or(options_.text_weight), options_.label_smoothing, text_label);
}

}  // namespace diptych
