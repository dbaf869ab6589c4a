"""Makes tests/golden/<image encoder>.safetensors from torchvision (MobileNetV1: from the torch.nn modules below).

    python scripts/golden/image_encoders.py        # needs torch, and the torchvision that matches it

Per encoder, with parameters and images of formula.py, in float64:
  keys (metadata)  "name shape" a line, of all parameters and buffers without the classifier
  eval_output      [2, F] features of two 64x64 images, evaluation mode, float32
and, for those with gradients, from three 64x64 images in training mode with loss = sum(features * centred(98)):
  train_output [3, F] float32; grad_norm, grad_probe [P] by sorted name; stat_probe [S] of the running statistics after it
"""

import pathlib

import torch
from torch import nn

# A CUDA build of torchvision on a machine without CUDA lacks its operators, which the models never call.
library = torch.library.Library("torchvision", "DEF")
for operator in ["nms", "qnms"]:
    library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import torchvision  # noqa: E402
from torchvision import models  # noqa: E402

from formula import centred, fill, probe, write  # noqa: E402

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"


class MobileNetV1(nn.Module):
    def __init__(self):
        super().__init__()
        relu = nn.ReLU6
        layers = [nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), relu())]
        channels = 32
        for out, stride in zip(
            [64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024],
            [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1],
        ):
            layers.append(
                nn.Sequential(
                    nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False),
                    nn.BatchNorm2d(channels),
                    relu(),
                    nn.Conv2d(channels, out, 1, bias=False),
                    nn.BatchNorm2d(out),
                    relu(),
                )
            )
            channels = out
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return self.model(x).mean((2, 3))


class VggMap(nn.Module):
    """The mean over the places that the last maximum of a VGG reads."""

    def __init__(self, net):
        super().__init__()
        self.features = net.features[:-1]

    def forward(self, x):
        return self.features(x).mean((2, 3))


def headless(name):
    if name == "mobilenet_v1":
        return MobileNetV1()
    net = getattr(models, name)(weights=None)
    if name == "mobilenet_v2":
        net.classifier = nn.Identity()
    elif name == "vgg16_bn":
        return VggMap(net)
    elif name in ["vgg16", "vgg19"]:
        net.classifier[6] = nn.Identity()  # features are what fc7 and its ReLU give
    else:
        net.fc = nn.Identity()
    return net


def make(name, with_gradients):
    net = fill(headless(name).double())
    keys = [f"{key} {'x'.join(map(str, value.shape)) or 'scalar'}" for key, value in sorted(net.state_dict().items())]
    images = 2 * centred((3, 3, 64, 64), 97)
    net.eval()
    with torch.no_grad():
        tensors = {"eval_output": net(images[:2]).float()}
    if with_gradients:
        net.train()
        output = net(images)
        (output * centred(output.shape, 98)).sum().backward()
        gradients = [p.grad for _, p in sorted(net.named_parameters())]
        statistics = [b for n, b in sorted(net.named_buffers()) if b.is_floating_point()]
        tensors["train_output"] = output.float()
        tensors["grad_norm"] = torch.tensor([float(g.norm()) for g in gradients], dtype=torch.float64)
        tensors["grad_probe"] = torch.tensor([probe(g) for g in gradients], dtype=torch.float64)
        tensors["stat_probe"] = torch.tensor([probe(b) for b in statistics], dtype=torch.float64)
    made_by = f"scripts/golden/image_encoders.py, torch {torch.__version__}, torchvision {torchvision.__version__}"
    write(GOLDEN / f"{name}.safetensors", tensors, {"made_by": made_by, "keys": "\n".join(keys)})


if __name__ == "__main__":
    torch.set_num_threads(2)
    for encoder in ["mobilenet_v1", "mobilenet_v2", "resnet18", "resnet50", "vgg16_bn"]:
        make(encoder, with_gradients=True)
    for encoder in ["resnet34", "resnet101", "resnet152", "vgg16", "vgg19"]:
        make(encoder, with_gradients=False)
    for width in [0.35, 1.4]:  # torchvision's rounding of channels
        net = models.mobilenet_v2(weights=None, width_mult=width)
        keys = [
            f"{k} {'x'.join(map(str, v.shape)) or 'scalar'}"
            for k, v in sorted(net.state_dict().items())
            if not k.startswith("classifier.")
        ]
        versions = f"scripts/golden/image_encoders.py, torch {torch.__version__}, torchvision {torchvision.__version__}"
        write(
            GOLDEN / f"mobilenet_v2_width_{width}.safetensors",
            {"nothing": torch.zeros(1)},
            {"made_by": versions, "keys": "\n".join(keys)},
        )
