//! Pack time against size: one dot a contestant.

use super::labels::{Bounds, place};
use super::scale::Scale;
use super::{Point, Svg, class_of};
use crate::compare::figures::figure;
use crate::compare::runs::{Metric, Runs};
use crate::compare::verb::Verb;
use crate::compare::workload::Part;

const LEFT: f64 = 64.0;
const RIGHT: f64 = super::WIDTH - 24.0;
const HEIGHT: f64 = 320.0;

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
    let bounds = Bounds {
        left: LEFT,
        right: RIGHT,
        top: top + 24.0,
        bottom: top + 24.0 + HEIGHT,
    };
    let walls: Vec<f64> = cells.iter().map(|(_, wall, _)| *wall).collect();
    let sizes: Vec<f64> = cells.iter().map(|(.., size)| *size).collect();
    let x = Scale::log(&walls, bounds.left, bounds.right);
    let y = Scale::even(&sizes, bounds.bottom, bounds.top);
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
    axes(svg, bounds, x, y);

    let dots: Vec<(Point, &str)> = cells
        .iter()
        .map(|(name, wall, size)| {
            let at = Point {
                x: x.place(*wall),
                y: y.place(*size),
            };
            (at, *name)
        })
        .collect();
    let labels = place(&dots, bounds);
    for (label, (dot, _)) in labels.iter().zip(&dots).filter(|(label, _)| label.is_far) {
        svg.line(*dot, label.nearest(*dot));
    }
    for ((label, (dot, name)), (_, wall, size)) in labels.iter().zip(&dots).zip(&cells) {
        let title = format!(
            "{name}: {} s, {} MiB",
            figure(*wall, Metric::Wall),
            figure(*size, Metric::Size)
        );
        let class = class_of(name);
        svg.dot(*dot, if class == "own" { 7.0 } else { 5.0 }, class, &title);
        svg.text(label.at, class, name);
    }
    bounds.bottom + 40.0
}

fn axes(svg: &mut Svg, bounds: Bounds, x: Scale, y: Scale) {
    let Bounds {
        left,
        right,
        top,
        bottom,
    } = bounds;
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
