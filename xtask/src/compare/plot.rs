//! The plot of a comparison: SVG by hand, readable on light and dark pages.

pub mod dots;
pub mod scale;
pub mod scatter;

use super::contestants::CONTESTANTS;
use super::runs::Runs;
use std::fmt::{Display, Write};

const WIDTH: f64 = 920.0;
const GAP: f64 = 24.0;

/// Colours change with the page: an image in a README sees whether the reader prefers dark. They
/// are written out, for some viewers know no variables.
const STYLE: &str = "\
  .page { fill: #ffffff; }
  text { font: 12px system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2328; }
  line { stroke: #d1d9e0; stroke-width: 1; }
  circle.rival { fill: #818b98; }
  .own { fill: #0969da; }
  text.own { font-weight: 600; }
  .head { font-size: 14px; font-weight: 600; }
  .weak { fill: #59636e; font-size: 11px; }
  .middle { text-anchor: middle; }
  .end { text-anchor: end; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; }
    text { fill: #f0f6fc; }
    line { stroke: #3d444d; }
    circle.rival { fill: #9198a1; }
    .own { fill: #4493f8; }
    .weak { fill: #9198a1; }
  }
";

/// A picture that grows.
#[derive(Default)]
pub struct Svg(String);

/// Where something stands: from the left, from the top.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// From the left.
    pub x: f64,
    /// From the top.
    pub y: f64,
}

impl Svg {
    /// Adds text; `class` says how it looks and at which end it is held.
    pub fn text(&mut self, at: Point, class: &str, text: impl Display) {
        let text = escaped(&text.to_string());
        self.push(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" class=\"{class}\">{text}</text>",
            at.x, at.y
        ));
    }

    /// Adds a line.
    pub fn line(&mut self, from: Point, to: Point) {
        self.push(format_args!(
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
            from.x, from.y, to.x, to.y
        ));
    }

    /// Adds a dot, which tells more under the pointer.
    pub fn dot(&mut self, at: Point, radius: f64, class: &str, title: &str) {
        self.push(format_args!(
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius}\" class=\"{class}\"><title>{}</title></circle>",
            at.x,
            at.y,
            escaped(title)
        ));
    }

    fn push(&mut self, element: impl Display) {
        // A string takes all that is written.
        let _ = writeln!(self.0, "{element}");
    }

    fn finish(self, height: f64) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" \
             width=\"{WIDTH}\" height=\"{height:.0}\" role=\"img\">\n<title>bakpak beside its \
             rivals</title>\n<style>\n{STYLE}</style>\n<rect width=\"100%\" height=\"100%\" \
             class=\"page\"/>\n{}</svg>\n",
            self.0
        )
    }
}

/// Draws the first part that was measured as a field, all parts as rows.
#[must_use]
pub fn svg(runs: &Runs) -> String {
    let names = CONTESTANTS.each_ref().map(|contestant| contestant.name);
    let mut svg = Svg::default();
    let mut top = GAP;
    let parts = runs.parts();
    if let Some(part) = parts.first() {
        top = scatter::draw(&mut svg, runs, *part, &names, top) + GAP;
    }
    for part in parts {
        top = dots::draw(&mut svg, runs, part, &names, top) + GAP;
    }
    svg.finish(top)
}

/// How a contestant's marks look.
#[must_use]
pub fn class_of(name: &str) -> &'static str {
    match name == super::contestants::BAKPAK {
        true => "own",
        false => "rival",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::runs::tests::run;
    use crate::compare::verb::Verb;

    #[test]
    fn each_contestant_has_a_dot_for_each_verb_and_one_in_the_field() {
        let svg = svg(&Runs(vec![
            run(Verb::Pack, "bakpak", 1, 1.0),
            run(Verb::List, "bakpak", 1, 0.01),
            run(Verb::Pack, "restic", 1, 9.0),
            run(Verb::List, "restic", 1, 0.6),
        ]));
        assert_eq!(svg.matches("<circle").count(), 6, "{svg}");
        assert_eq!(svg.matches(">restic</text>").count(), 2, "{svg}");
        assert!(svg.ends_with("</svg>\n"));
    }

    #[test]
    fn no_numbers_make_a_picture_all_the_same() {
        let svg = svg(&Runs::default());
        assert!(!svg.contains("NaN") && svg.contains("</svg>"), "{svg}");
    }

    #[test]
    fn text_cannot_become_an_element() {
        let mut svg = Svg::default();
        svg.text(Point { x: 0.0, y: 0.0 }, "weak", "<a & b>");
        assert!(svg.0.contains(">&lt;a &amp; b&gt;</text>"), "{}", svg.0);
    }
}
