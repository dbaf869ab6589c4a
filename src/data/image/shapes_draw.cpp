#include <algorithm>
#include <cmath>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "data/image/shapes.h"

namespace diptych::shapes {
namespace drawing {

constexpr double kLargeRadius = 0.16, kSmallRadius = 0.1;  // shares of the picture's side
constexpr int kShift = 4;                                  // OpenCV's fixed point: 1/16 pixel

struct Point {
  double x, y;
};

Point centre_of(Place place) {
  constexpr double kNear = 0.17, kFar = 0.83, kMiddle = 0.5;
  switch (place) {
    case Place::left:
      return {kNear, kMiddle};
    case Place::right:
      return {kFar, kMiddle};
    case Place::top:
      return {kMiddle, kNear};
    case Place::bottom:
      return {kMiddle, kFar};
    case Place::centre:
      break;
  }
  return {kMiddle, kMiddle};
}

cv::Scalar colour_of(Colour colour, Random& random) {
  static const double rgb[][3] = {{214, 39, 40},  {44, 160, 44},  {31, 80, 200},
                                  {240, 200, 20}, {150, 50, 190}, {30, 30, 30}};
  const double* c = rgb[static_cast<size_t>(colour)];
  const auto shaken = [&](double value) { return value + random.uniform(-12, 12); };
  const double red = shaken(c[0]), green = shaken(c[1]), blue = shaken(c[2]);
  return {blue, green, red};
}

// Corners around the origin for radius 1; sizes look alike across shapes.
std::vector<Point> corners_of(Shape shape) {
  constexpr double s = 0.88, t = 1.15, arm = 0.28;
  switch (shape) {
    case Shape::square:
      return {{-s, -s}, {s, -s}, {s, s}, {-s, s}};
    case Shape::triangle:
      return {{0, -t}, {t * 0.866, t * 0.5}, {-t * 0.866, t * 0.5}};
    case Shape::cross:
      return {{-arm, -1}, {arm, -1}, {arm, -arm}, {1, -arm}, {1, arm},   {arm, arm},
              {arm, 1},   {-arm, 1}, {-arm, arm}, {-1, arm}, {-1, -arm}, {-arm, -arm}};
    case Shape::circle:
      break;
  }
  return {};
}

int fixed(double pixels) { return static_cast<int>(std::lround(pixels * (1 << kShift))); }

void paint(cv::Mat& picture, Shape shape, Point centre, double radius, int thickness, const cv::Scalar& colour) {
  if (shape == Shape::circle) {
    cv::circle(picture, {fixed(centre.x), fixed(centre.y)}, fixed(radius), colour, thickness, cv::LINE_AA, kShift);
    return;
  }
  std::vector<std::vector<cv::Point>> outline(1);
  for (const Point& corner : corners_of(shape))
    outline[0].emplace_back(fixed(centre.x + radius * corner.x), fixed(centre.y + radius * corner.y));
  if (thickness == cv::FILLED)
    cv::fillPoly(picture, outline, colour, cv::LINE_AA, kShift);
  else
    cv::polylines(picture, outline, /*isClosed=*/true, colour, thickness, cv::LINE_AA, kShift);
}

Figure figure_of(const Object& object, double jitter, Random& random) {
  const Point centre = centre_of(object.place);
  const double x = centre.x + random.uniform(-jitter, jitter), y = centre.y + random.uniform(-jitter, jitter);
  const double radius = (object.is_large ? kLargeRadius : kSmallRadius) * random.uniform(0.96, 1.04);
  return {object.shape, object.colour, x, y, radius, false};
}

void draw(cv::Mat& picture, const Figure& figure, Random& random) {
  const double side = picture.cols;
  const int thickness = figure.is_frame ? static_cast<int>(std::lround(side * kFrameThickness)) : cv::FILLED;
  paint(picture, figure.shape, {side * figure.x, side * figure.y}, side * figure.radius, thickness,
        colour_of(figure.colour, random));
}

std::string jpeg_of(const cv::Mat& picture) {
  std::vector<uint8_t> bytes;
  cv::imencode(".jpg", picture, bytes, {cv::IMWRITE_JPEG_QUALITY, 95});
  return {bytes.begin(), bytes.end()};
}

cv::Mat ground(int64_t size, Random& random) {
  cv::Mat picture(static_cast<int>(size), static_cast<int>(size), CV_8UC3);
  const double level = random.uniform(222, 246);
  double tint[3];
  for (double& each : tint) each = level + random.uniform(-6, 6);
  for (int64_t i = 0; i < size * size * 3; ++i)
    picture.data[i] = static_cast<uint8_t>(std::lround(tint[i % 3] + random.uniform(-3, 3)));
  return picture;
}

}  // namespace drawing

Drawing draw(const Scene& scene, int64_t size, Random random) {
  cv::Mat picture = drawing::ground(size, random);
  const double jitter = scene.size() == 3 ? 0.01 : 0.03;  // three in a row must not touch
  Drawing out;
  for (const Object& object : scene) {
    out.figures.push_back(drawing::figure_of(object, jitter, random));
    drawing::draw(picture, out.figures.back(), random);
  }
  out.jpeg = drawing::jpeg_of(picture);
  return out;
}

std::string draw_jpeg(const std::vector<Figure>& figures, int64_t size, Random random) {
  cv::Mat picture = drawing::ground(size, random);
  for (const Figure& figure : figures) drawing::draw(picture, figure, random);
  return drawing::jpeg_of(picture);
}

Box box_of(const Figure& figure) {
  double left = -1, top = -1, right = 1, bottom = 1;
  if (const auto corners = drawing::corners_of(figure.shape); !corners.empty()) {
    left = top = 2, right = bottom = -2;
    for (const auto& corner : corners) {
      left = std::min(left, corner.x), right = std::max(right, corner.x);
      top = std::min(top, corner.y), bottom = std::max(bottom, corner.y);
    }
  }
  const double rim = figure.is_frame ? kFrameThickness / 2 : 0;
  return {figure.x + figure.radius * left - rim, figure.y + figure.radius * top - rim,
          figure.x + figure.radius * right + rim, figure.y + figure.radius * bottom + rim};
}

Json box_json(const Figure& figure) {
  const auto rounded = [](double share) { return std::round(share * 1e4) / 1e4; };
  const Box box = box_of(figure);
  return {rounded(box.left), rounded(box.top), rounded(box.right), rounded(box.bottom)};
}

}  // namespace diptych::shapes
