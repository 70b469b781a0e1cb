//! Pack time against size: one dot a contestant.

use super::scale::Scale;
use super::{Point, Svg, class_of};
use crate::compare::figures::figure;
use crate::compare::runs::{Metric, Runs};
use crate::compare::verb::Verb;
use crate::compare::workload::Part;

const LEFT: f64 = 64.0;
const RIGHT: f64 = super::WIDTH - 24.0;
const HEIGHT: f64 = 320.0;

const CHARACTER_WIDTH: f64 = 6.6;
const LINE_HEIGHT: f64 = 13.0;
const RADIUS: f64 = 7.0;

/// What a name may not cover: a dot, or another name, around a height.
struct Taken {
    left: f64,
    right: f64,
    y: f64,
}

/// Draws it below `top`; returns where it ends.
pub fn draw(svg: &mut Svg, runs: &Runs, part: Part, names: &[&str], top: f64) -> f64 {
    let of = |name: &str, metric| runs.median(part, Verb::Pack, name, metric);
    let cells: Vec<(&str, f64, f64)> = names
        .iter()
        .filter_map(|name| Some((*name, of(name, Metric::Wall)?, of(name, Metric::Size)?)))
        .collect();
    if cells.is_empty() {
        return top;
    }
    let (upper, lower) = (top + 24.0, top + 24.0 + HEIGHT);
    let walls: Vec<f64> = cells.iter().map(|(_, wall, _)| *wall).collect();
    let sizes: Vec<f64> = cells.iter().map(|(.., size)| *size).collect();
    let x = Scale::log(&walls, LEFT, RIGHT);
    let y = Scale::even(&sizes, lower, upper);
    let head = format!("{}: size against the time to pack", part.name());
    svg.text(
        Point {
            x: LEFT,
            y: top + 8.0,
        },
        "head",
        head,
    );
    svg.text(
        Point {
            x: RIGHT,
            y: top + 8.0,
        },
        "weak end",
        "left and low is better",
    );
    axes(svg, upper, lower, x, y);

    let at = |wall, size| Point {
        x: x.place(wall),
        y: y.place(size),
    };
    let dots = cells.iter().map(|(_, wall, size)| at(*wall, *size));
    let mut taken: Vec<Taken> = dots
        .map(|dot| Taken {
            left: dot.x - RADIUS,
            right: dot.x + RADIUS,
            y: dot.y,
        })
        .collect();
    for (name, wall, size) in cells {
        let (dot, class) = (at(wall, size), class_of(name));
        let title = format!(
            "{name}: {} s, {} MiB",
            figure(wall, Metric::Wall),
            figure(size, Metric::Size)
        );
        let radius = if class == "own" { RADIUS } else { 5.0 };
        svg.dot(dot, radius, class, &title);
        svg.text(label(dot, name, &mut taken), class, name);
    }
    lower + 40.0
}

/// Where a name stands: beside its dot, above or below, in the first place that is free.
fn label(dot: Point, name: &str, taken: &mut Vec<Taken>) -> Point {
    let width = name.chars().count() as f64 * CHARACTER_WIDTH;
    let sides = [dot.x + RADIUS + 2.0, dot.x - RADIUS - 2.0 - width];
    let heights = [dot.y, dot.y - LINE_HEIGHT, dot.y + LINE_HEIGHT];
    let places = heights.iter().flat_map(|y| sides.map(|left| (left, *y)));
    let is_free = |(left, y): &(f64, f64)| {
        let covers = |other: &Taken| {
            (y - other.y).abs() < LINE_HEIGHT && *left < other.right && other.left < left + width
        };
        left + width <= RIGHT && !taken.iter().any(covers)
    };
    let (left, y) = places.clone().find(is_free).unwrap_or((sides[0], dot.y));
    taken.push(Taken {
        left,
        right: left + width,
        y,
    });
    Point {
        x: left,
        y: y + 4.0,
    }
}

fn axes(svg: &mut Svg, top: f64, bottom: f64, x: Scale, y: Scale) {
    let (left, right) = (LEFT, RIGHT);
    for tick in y.ticks() {
        let y = y.place(tick);
        svg.line(Point { x: left, y }, Point { x: right, y });
        svg.text(
            Point {
                x: left - 8.0,
                y: y + 4.0,
            },
            "weak end",
            tick,
        );
    }
    for tick in x.ticks() {
        let x = x.place(tick);
        svg.line(Point { x, y: bottom }, Point { x, y: bottom + 4.0 });
        svg.text(
            Point {
                x,
                y: bottom + 17.0,
            },
            "weak middle",
            tick,
        );
    }
    svg.line(
        Point { x: left, y: bottom },
        Point {
            x: right,
            y: bottom,
        },
    );
    let middle = f64::midpoint(left, right);
    svg.text(
        Point {
            x: middle,
            y: bottom + 34.0,
        },
        "weak middle",
        "seconds to pack, logarithmic",
    );
    svg.text(
        Point {
            x: left - 8.0,
            y: top - 2.0,
        },
        "weak end",
        "MiB",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_dots_at_the_same_place_do_not_cover_each_other() {
        let dot = Point { x: 450.0, y: 100.0 };
        let mut taken = Vec::new();
        let names = ["tar-zstd-age", "tar-zstd-gpg", "tar-zstd-openssl"];
        let places = names.map(|name| label(dot, name, &mut taken));
        assert!(places[0].x > dot.x && places[1].x < dot.x && places[2].y < dot.y);
    }
}
