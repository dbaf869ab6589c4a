#include "data/image/css_draw.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

namespace diptych::css {
namespace {

constexpr int kFlatSide = 64, kSmallHalf = 4, kLargeHalf = 8;
constexpr uint8_t kRgb[][3] = {{87, 87, 87},  {244, 35, 35},  {42, 75, 215},  {29, 205, 20},
                               {129, 74, 25}, {129, 38, 192}, {41, 208, 208}, {255, 238, 51}};

cv::Vec3d rgb_of(const Object& object) {
  const uint8_t* rgb = kRgb[static_cast<size_t>(object.colour)];
  return {double(rgb[0]), double(rgb[1]), double(rgb[2])};
}

// OpenCV's order, light from 0 (black) over 1 (the colour) to 2 (white).
cv::Scalar lit(const cv::Vec3d& rgb, double light) {
  const auto channel = [&](int i) {
    const double value = light <= 1 ? rgb[i] * light : rgb[i] + (255 - rgb[i]) * (light - 1);
    return std::clamp(std::round(value), 0.0, 255.0);
  };
  return {channel(2), channel(1), channel(0)};
}

std::string png_of(const cv::Mat& picture) {
  std::vector<uint8_t> bytes;
  cv::imencode(".png", picture, bytes);
  return {bytes.begin(), bytes.end()};
}

// ------------------------------------------------------------------------------------------------ flat

// dx, dy from the centre, pixels; the object covers [-half, half) both ways.
bool covers(Shape shape, int half, int dx, int dy) {
  if (dx < -half || dx >= half || dy < -half || dy >= half) return false;
  if (shape == Shape::circle) return std::abs(dx) + std::abs(dy) < half;
  if (shape == Shape::triangle) return 2 * std::abs(dx) < dy + half + 1;  // point upwards
  return true;
}

// ------------------------------------------------------------------------------------------------ in perspective

// The world: x to the right, y away from the viewer, z up; a cell has side 1, the grid's centre is the origin.
using Point = cv::Vec3d;

constexpr int kSupersampling = 3;
// In cells: small enough that a small object behind a large one is seen.
constexpr double kSmallRadius = 0.19, kLargeRadius = 0.35, kCubeShare = 0.82, kConeHeight = 2.5;
constexpr double kDistance = 7, kElevation = 0.95, kFocal = 1.87;
constexpr double kAmbient = 0.55, kDiffuse = 0.55;
constexpr double kTurn = 0.5;  // of a cube, most, in radians
constexpr double kPi = 3.14159265358979323846;

Point unit(const Point& direction) { return direction / cv::norm(direction); }
const Point& towards_light() {
  static const Point direction = unit({-0.55, -0.5, 1.1});
  return direction;
}
double light_on(const Point& normal) { return kAmbient + kDiffuse * std::max(0.0, normal.dot(towards_light())); }

class Camera {
 public:
  explicit Camera(double side) : side_(side) {
    at_ = target_ + Point(0, -kDistance * std::cos(kElevation), kDistance * std::sin(kElevation));
    forward_ = unit(target_ - at_);
    up_ = Point(1, 0, 0).cross(forward_);
  }
  double depth(const Point& point) const { return (point - at_).dot(forward_); }
  /// Pixels that a length takes at a point.
  double scale(const Point& point) const { return side_ * kFocal / depth(point); }
  cv::Point2d pixel(const Point& point) const {
    const Point ray = point - at_;
    return {side_ / 2 + ray[0] * scale(point), side_ / 2 - ray.dot(up_) * scale(point)};
  }
  bool faces(const Point& normal, const Point& point) const { return normal.dot(at_ - point) > 0; }

 private:
  double side_;
  Point target_{0, 0, 0.2}, at_, forward_, up_;
};

constexpr int kShift = 4;  // OpenCV's fixed point: 1/16 pixel
cv::Point fixed_point(const cv::Point2d& pixel) {
  return {static_cast<int>(std::lround(pixel.x * (1 << kShift))),
          static_cast<int>(std::lround(pixel.y * (1 << kShift)))};
}

void fill(cv::Mat& picture, const Camera& camera, const std::vector<Point>& corners, const cv::Scalar& colour,
          int line_type = cv::LINE_8) {
  std::vector<cv::Point> outline;
  for (const Point& corner : corners) outline.push_back(fixed_point(camera.pixel(corner)));
  std::vector<cv::Point> hull;
  cv::convexHull(outline, hull);
  cv::fillConvexPoly(picture, hull, colour, line_type, kShift);
}

struct Solid {
  Shape shape;
  cv::Vec3d rgb;
  Point foot;  // middle of what stands on the ground
  double radius, turn;
};

double height_of(const Solid& solid) {
  return solid.radius * (solid.shape == Shape::rectangle ? 2 * kCubeShare
                         : solid.shape == Shape::circle  ? 2
                                                         : kConeHeight);
}

std::vector<Point> circle_of(const Point& centre, double radius, int corners) {
  std::vector<Point> out;
  for (int i = 0; i < corners; ++i) {
    const double angle = 2 * kPi * i / corners;
    out.push_back(centre + radius * Point(std::cos(angle), std::sin(angle), 0));
  }
  return out;
}

// The cube's corners at height z, counter-clockwise from above.
std::vector<Point> square_of(const Solid& solid, double z) {
  const double reach = solid.radius * kCubeShare * std::sqrt(2);
  std::vector<Point> out;
  for (int i = 0; i < 4; ++i) {
    const double angle = solid.turn + kPi / 4 + kPi / 2 * i;
    out.push_back(solid.foot + Point(std::cos(angle) * reach, std::sin(angle) * reach, z));
  }
  return out;
}

// What casts the shadow: points whose hull is the solid's.
std::vector<Point> points_of(const Solid& solid) {
  std::vector<Point> out;
  if (solid.shape == Shape::rectangle) {
    out = square_of(solid, 0);
    for (const Point& corner : square_of(solid, height_of(solid))) out.push_back(corner);
  } else if (solid.shape == Shape::triangle) {
    out = circle_of(solid.foot, solid.radius, 24);
    out.push_back(solid.foot + Point(0, 0, height_of(solid)));
  } else {
    for (int ring = 1; ring < 8; ++ring) {
      const double angle = kPi * ring / 8;
      const Point centre = solid.foot + Point(0, 0, solid.radius * (1 - std::cos(angle)));
      for (const Point& point : circle_of(centre, solid.radius * std::sin(angle), 16)) out.push_back(point);
    }
  }
  return out;
}

std::vector<Point> shadow_of(const Solid& solid) {
  std::vector<Point> out;
  const Point& light = towards_light();
  for (const Point& point : points_of(solid)) out.push_back(point - light * (point[2] / light[2]));
  return out;
}

void draw_cube(cv::Mat& picture, const Camera& camera, const Solid& solid) {
  const std::vector<Point> low = square_of(solid, 0), high = square_of(solid, height_of(solid));
  for (size_t i = 0; i < 4; ++i) {
    const size_t next = (i + 1) % 4;
    const Point normal = unit((low[i] + low[next]) / 2 - solid.foot);
    if (camera.faces(normal, low[i]))
      fill(picture, camera, {low[i], low[next], high[next], high[i]}, lit(solid.rgb, light_on(normal)));
  }
  fill(picture, camera, high, lit(solid.rgb, light_on({0, 0, 1}) * 1.1));
}

void draw_cone(cv::Mat& picture, const Camera& camera, const Solid& solid) {
  constexpr int kFacets = 48;
  const Point apex = solid.foot + Point(0, 0, height_of(solid));
  const std::vector<Point> base = circle_of(solid.foot, solid.radius, kFacets);
  for (size_t i = 0; i < base.size(); ++i) {
    const Point &left = base[i], &right = base[(i + 1) % base.size()];
    const Point normal = unit((right - left).cross(apex - left));
    if (camera.faces(normal, apex)) fill(picture, camera, {left, right, apex}, lit(solid.rgb, light_on(normal)));
  }
}

// Discs one within another, from the rim to the brightest place.
void draw_sphere(cv::Mat& picture, const Camera& camera, const Solid& solid) {
  constexpr int kDiscs = 24;
  const Point centre = solid.foot + Point(0, 0, solid.radius);
  const double radius = solid.radius * camera.scale(centre);
  const cv::Point2d middle = camera.pixel(centre);
  const cv::Point2d brightest = camera.pixel(centre + solid.radius * 0.55 * towards_light());
  const auto disc = [&](double share, double light) {
    const cv::Point2d at = middle + (brightest - middle) * (1 - share);
    cv::circle(picture, fixed_point(at), static_cast<int>(std::lround(radius * share * (1 << kShift))),
               lit(solid.rgb, light), cv::FILLED, cv::LINE_8, kShift);
  };
  for (int i = 0; i < kDiscs; ++i) {
    const double share = 1 - static_cast<double>(i) / kDiscs;
    disc(share, kAmbient * 0.8 + (kAmbient + kDiffuse * 1.1 - kAmbient * 0.8) * std::sqrt(1 - share * share));
  }
  disc(0.12, 1.7);
}

// Light grey, a little darker towards the viewer and in shadows; `side` pixels.
cv::Mat ground_of(const std::vector<Solid>& solids, int side, Random& random) {
  cv::Mat shadow(side, side, CV_8UC1, cv::Scalar(0));
  const Camera camera(side);
  for (const Solid& solid : solids) fill(shadow, camera, shadow_of(solid), 255, cv::LINE_AA);
  cv::GaussianBlur(shadow, shadow, {3, 3}, 0);
  const double level = random.uniform(205, 225);
  cv::Mat ground(side, side, CV_8UC3);
  for (int row = 0; row < side; ++row)
    for (int column = 0; column < side; ++column) {
      const double dark = 0.45 * shadow.at<uint8_t>(row, column) / 255;
      const double value = (level - 25.0 * row / side) * (1 - dark);
      ground.at<cv::Vec3b>(row, column) = cv::Vec3b::all(static_cast<uint8_t>(std::lround(value)));
    }
  return ground;
}

std::vector<Solid> solids_of(const Scene& scene, Random& random) {
  std::vector<Solid> out;
  for (const Object& object : scene)
    out.push_back({object.shape,
                   rgb_of(object),
                   {kSide * (object.x - 0.5), kSide * (0.5 - object.y), 0},
                   object.is_large ? kLargeRadius : kSmallRadius,
                   random.uniform(-kTurn, kTurn)});
  return out;
}

}  // namespace

std::string draw_2d(const Scene& scene) {
  cv::Mat picture(kFlatSide, kFlatSide, CV_8UC3, cv::Scalar::all(255));
  for (const Object& object : scene) {
    const int half = object.is_large ? kLargeHalf : kSmallHalf;
    const auto y = static_cast<int>(std::lround(object.y * kFlatSide)),
               x = static_cast<int>(std::lround(object.x * kFlatSide));
    const uint8_t* rgb = kRgb[static_cast<size_t>(object.colour)];
    for (int row = 0; row < kFlatSide; ++row)
      for (int column = 0; column < kFlatSide; ++column)
        if (covers(object.shape, half, column - x, row - y))
          picture.at<cv::Vec3b>(row, column) = {rgb[2], rgb[1], rgb[0]};
  }
  return png_of(picture);
}

std::string draw_3d(const Scene& scene, int64_t size, Random random) {
  const int side = static_cast<int>(size), large_side = side * kSupersampling;
  std::vector<Solid> solids = solids_of(scene, random);
  cv::Mat picture;
  cv::resize(ground_of(solids, side, random), picture, {large_side, large_side}, 0, 0, cv::INTER_LINEAR);
  const Camera camera(large_side);
  std::ranges::stable_sort(solids, std::greater<>(), [&](const Solid& solid) { return camera.depth(solid.foot); });
  for (const Solid& solid : solids) {  // far ones first
    if (solid.shape == Shape::rectangle) draw_cube(picture, camera, solid);
    if (solid.shape == Shape::circle) draw_sphere(picture, camera, solid);
    if (solid.shape == Shape::triangle) draw_cone(picture, camera, solid);
  }
  cv::Mat out;
  cv::resize(picture, out, {side, side}, 0, 0, cv::INTER_AREA);
  return png_of(out);
}

}  // namespace diptych::css
