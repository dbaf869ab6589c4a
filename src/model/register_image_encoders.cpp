#include <torch/torch.h>

#include "model/feature_input.h"
#include "model/mobilenet.h"
#include "model/resnet.h"
#include "model/vgg.h"

namespace diptych {

void register_image_encoders(ImageEncoderRegistry& encoders) {
  const char* he = "He, Zhang, Ren, Sun: Deep residual learning for image recognition, CVPR 2016";
  const char* vgg =
      "Simonyan, Zisserman: Very deep convolutional networks for large-scale image recognition, ICLR 2015";
  encoders.add<FeatureInput>("features",
                             "no network: rows of a feature file, made before by any program; of regions, pooled");
  encoders.add<MobileNetV1>("mobilenet_v1", "1024 features, 3.2 M parameters, 0.57 GMAC at 224",
                            "Howard et al.: MobileNets, arXiv:1704.04861, 2017");
  encoders.add<MobileNetV2>("mobilenet_v2", "1280 features, 2.2 M parameters, 0.30 GMAC at 224",
                            "Sandler et al.: MobileNetV2, CVPR 2018");
  encoders.add<ResNet18>("resnet18", "512 features, 11.2 M parameters, 1.8 GMAC at 224", he);
  encoders.add<ResNet34>("resnet34", "512 features, 21.3 M parameters, 3.7 GMAC at 224", he);
  encoders.add<ResNet50>("resnet50", "2048 features, 23.5 M parameters, 4.1 GMAC at 224", he);
  encoders.add<ResNet101>("resnet101", "2048 features, 42.5 M parameters, 7.8 GMAC at 224", he);
  encoders.add<ResNet152>("resnet152", "2048 features, 58.1 M parameters, 11.5 GMAC at 224", he);
  encoders.add<Vgg16>("vgg16", "4096 features of fc7, 134.3 M parameters, 15.5 GMAC at 224; map: 14 x 14 x 512", vgg);
  encoders.add<Vgg19>("vgg19", "4096 features of fc7, 139.6 M parameters, 19.6 GMAC at 224; map: 14 x 14 x 512", vgg);
}

}  // namespace diptych
