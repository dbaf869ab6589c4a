#pragma once
#include <string>

#include "data/image/css_scene.h"

namespace diptych::css {

/// PNG of 64 x 64 pixels, flat on white as the code of TIRG draws: objects of half-size 4 or 8 pixels, a circle is a
/// diamond.
std::string draw_2d(const Scene& scene);
/// PNG of `size` x `size` pixels: cubes, spheres and cones on a grey ground, seen from the front and above, lit from
/// the upper left. `random` turns the cubes and shades the ground.
std::string draw_3d(const Scene& scene, int64_t size, Random random);

}  // namespace diptych::css
