//! All verbs: a row for each contestant, a column for each verb.

use super::scale::Scale;
use super::{Point, Svg, class_of};
use crate::compare::figures::figure;
use crate::compare::runs::{Metric, Runs};
use crate::compare::verb::Verb;
use crate::compare::workload::Part;

const LEFT: f64 = 136.0;
const RIGHT: f64 = super::WIDTH - 16.0;
const ROW_HEIGHT: f64 = 22.0;
/// Between columns, and for the figure right of the last dot.
const FIGURE_WIDTH: f64 = 46.0;

/// Draws it below `top`; returns where it ends.
pub fn draw(svg: &mut Svg, runs: &Runs, part: Part, names: &[&str], top: f64) -> f64 {
    let names = runs.contestants(part, names);
    let verbs = runs.verbs(part);
    if verbs.is_empty() {
        return top;
    }
    svg.text(
        Point {
            x: 16.0,
            y: top + 8.0,
        },
        "head",
        format!(
            "{}: seconds, a logarithmic scale for each verb",
            part.name()
        ),
    );
    svg.text(
        Point {
            x: RIGHT,
            y: top + 8.0,
        },
        "weak end",
        "left is better",
    );
    let first = top + 56.0;
    for (name, y) in rows(&names, first) {
        svg.text(
            Point {
                x: LEFT - 16.0,
                y: y + 4.0,
            },
            &format!("{} end", class_of(name)),
            name,
        );
        svg.line(Point { x: LEFT, y }, Point { x: RIGHT, y });
    }
    let width = (RIGHT - LEFT) / verbs.len() as f64;
    for (number, verb) in verbs.into_iter().enumerate() {
        let left = LEFT + number as f64 * width;
        let head = Point {
            x: left + 4.0,
            y: top + 34.0,
        };
        svg.text(head, "weak", verb.title());
        let scale_end = left + width - FIGURE_WIDTH;
        column(
            svg,
            runs,
            (part, verb),
            rows(&names, first),
            (left, scale_end),
        );
    }
    first + names.len() as f64 * ROW_HEIGHT
}

fn column<'a>(
    svg: &mut Svg,
    runs: &Runs,
    (part, verb): (Part, Verb),
    rows: impl Iterator<Item = (&'a str, f64)> + Clone,
    (left, right): (f64, f64),
) {
    let cells = rows.map(|(name, y)| (name, y, runs.median(part, verb, name, Metric::Wall)));
    let walls: Vec<f64> = cells.clone().filter_map(|(.., wall)| wall).collect();
    let scale = Scale::log(&walls, left, right);
    for (name, y, wall) in cells {
        let Some(wall) = wall else {
            continue;
        };
        let shown = figure(wall, Metric::Wall);
        let x = scale.place(wall);
        let title = format!("{name}, {}: {shown} s", verb.title());
        svg.dot(Point { x, y }, 5.0, class_of(name), &title);
        svg.text(
            Point {
                x: x + 9.0,
                y: y - 3.0,
            },
            "weak",
            &shown,
        );
    }
}

fn rows<'a>(names: &'a [&'a str], first: f64) -> impl Iterator<Item = (&'a str, f64)> + Clone {
    let numbered = names.iter().enumerate();
    numbered.map(move |(number, name)| (*name, first + number as f64 * ROW_HEIGHT))
}
