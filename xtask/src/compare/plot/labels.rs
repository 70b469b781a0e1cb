//! Labels beside dots, none over another.

use super::Point;

const CHARACTER_WIDTH: f64 = 6.6;
const HEIGHT: f64 = 13.0;
const RADIUS: f64 = 7.0;

/// What a label may not leave.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The left end.
    pub left: f64,
    /// The right end.
    pub right: f64,
    /// The upper end.
    pub top: f64,
    /// The lower end.
    pub bottom: f64,
}

/// Where a label stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Label {
    /// The left end of its base line.
    pub at: Point,
    /// Whether it is so far from its dot that a line has to join them.
    pub is_far: bool,
    width: f64,
}

/// Places a label for each dot: beside it if there is room, else further off.
#[must_use]
pub fn place(dots: &[(Point, &str)], bounds: Bounds) -> Vec<Label> {
    let mut placed: Vec<Label> = Vec::new();
    for (dot, text) in dots {
        let width = text.chars().count() as f64 * CHARACTER_WIDTH;
        let candidates = candidates(*dot, width);
        let is_free = |label: &&Label| {
            bounds.hold(label)
                && !placed.iter().any(|other| label.covers(other))
                && !dots.iter().any(|(other, _)| label.is_over(*other))
        };
        let label = candidates.iter().find(is_free).or(candidates.first());
        placed.extend(label.copied());
    }
    placed
}

/// Right and left of the dot, then ever further above and below.
fn candidates(dot: Point, width: f64) -> Vec<Label> {
    let mut labels = Vec::new();
    for step in 0..12 {
        let distance = f64::from(step) * (HEIGHT + 2.0);
        let shift = if step == 0 { 0.0 } else { 6.0 };
        for y in [dot.y - distance, dot.y + distance] {
            for x in [dot.x + 9.0 + shift, dot.x - 9.0 - shift - width] {
                labels.push(Label {
                    at: Point { x, y: y + 4.0 },
                    is_far: step > 0,
                    width,
                });
            }
        }
    }
    labels
}

impl Label {
    /// Where a line from the dot ends.
    #[must_use]
    pub fn nearest(&self, dot: Point) -> Point {
        let x = if self.at.x > dot.x {
            self.at.x - 2.0
        } else {
            self.at.x + self.width + 2.0
        };
        Point {
            x,
            y: self.at.y - 4.0,
        }
    }

    fn covers(&self, other: &Self) -> bool {
        (self.at.y - other.at.y).abs() < HEIGHT
            && self.at.x < other.at.x + other.width + 4.0
            && other.at.x < self.at.x + self.width + 4.0
    }

    fn is_over(&self, dot: Point) -> bool {
        (self.at.y - 4.0 - dot.y).abs() < HEIGHT / 2.0 + RADIUS - 2.0
            && (self.at.x - RADIUS..self.at.x + self.width + RADIUS).contains(&dot.x)
    }
}

impl Bounds {
    fn hold(&self, label: &Label) -> bool {
        label.at.x >= self.left
            && label.at.x + label.width <= self.right
            && label.at.y - HEIGHT >= self.top
            && label.at.y <= self.bottom
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_dots_at_the_same_place_do_not_cover_each_other() {
        let dot = Point { x: 50.0, y: 100.0 };
        let dots = ["tar-zstd-age", "tar-zstd-gpg", "tar-zstd-openssl"].map(|name| (dot, name));
        let bounds = Bounds {
            left: 0.0,
            right: 400.0,
            top: 0.0,
            bottom: 200.0,
        };
        let labels = place(&dots, bounds);
        assert!(!labels[0].is_far && labels[1].is_far);
        for (index, label) in labels.iter().enumerate() {
            assert!(bounds.hold(label));
            assert!(
                !labels[..index].iter().any(|other| label.covers(other)),
                "{labels:?}"
            );
        }
    }
}
