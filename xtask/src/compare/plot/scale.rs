//! Values to places, and the ticks between.

/// A logarithmic or even scale along one axis.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    is_log: bool,
    least: f64,
    most: f64,
    start: f64,
    end: f64,
}

impl Scale {
    /// Equal factors are equally far apart; `values` reach from `start` to `end`.
    #[must_use]
    pub fn log(values: &[f64], start: f64, end: f64) -> Self {
        Self::new(true, values, start, end)
    }

    /// Equal differences are equally far apart.
    #[must_use]
    pub fn even(values: &[f64], start: f64, end: f64) -> Self {
        Self::new(false, values, start, end)
    }

    fn new(is_log: bool, values: &[f64], start: f64, end: f64) -> Self {
        let map = |value: f64| {
            if is_log {
                value.max(1e-6).log10()
            } else {
                value
            }
        };
        let mapped = values.iter().copied().map(map);
        let least = mapped.clone().fold(f64::INFINITY, f64::min);
        let most = mapped.fold(f64::NEG_INFINITY, f64::max);
        let (least, most) = if least <= most {
            (least, most)
        } else {
            (0.0, 0.0)
        };
        // One value alone stands in the middle.
        let margin = match most > least {
            true => (most - least) * 0.06,
            false => (most.abs() * 0.1).max(0.1),
        };
        Self {
            is_log,
            least: least - margin,
            most: most + margin,
            start,
            end,
        }
    }

    /// Where a value stands.
    #[must_use]
    pub fn place(&self, value: f64) -> f64 {
        let mapped = if self.is_log {
            value.max(1e-6).log10()
        } else {
            value
        };
        let share = (mapped - self.least) / (self.most - self.least);
        self.start + share * (self.end - self.start)
    }

    /// Round values within.
    #[must_use]
    pub fn ticks(&self) -> Vec<f64> {
        let candidates: Vec<f64> = match self.is_log {
            true => (-4..5)
                .flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(power)))
                .collect(),
            false => {
                let step = round_step((self.most - self.least) / 5.0);
                let first = (self.least / step).ceil() as i64;
                (first..first + 12)
                    .map(|number| number as f64 * step)
                    .collect()
            }
        };
        let is_within = |value: &f64| {
            let mapped = if self.is_log { value.log10() } else { *value };
            (self.least..=self.most).contains(&mapped)
        };
        candidates.into_iter().filter(is_within).collect()
    }
}

/// 1, 2 or 5 with zeros, not below `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let digits = [1.0, 2.0, 5.0, 10.0];
    let found = digits.iter().find(|digit| **digit * power >= step);
    found.copied().unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_equally_far_apart_on_a_logarithmic_scale() {
        let scale = Scale::log(&[1.0, 100.0], 0.0, 100.0);
        let places = [1.0, 10.0, 100.0].map(|value| scale.place(value));
        assert!((places[1] - 50.0).abs() < 1e-9, "{places:?}");
        assert!(places[0] > 0.0 && places[2] < 100.0, "{places:?}");
        assert_eq!(scale.ticks(), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
    }

    #[test]
    fn ticks_of_an_even_scale_are_round() {
        let scale = Scale::even(&[430.0, 810.0], 300.0, 0.0);
        assert_eq!(scale.ticks(), [500.0, 600.0, 700.0, 800.0]);
        assert!(scale.place(430.0) > scale.place(810.0));
    }

    #[test]
    fn one_value_or_none_is_no_division_by_zero() {
        for values in [&[3.0][..], &[]] {
            assert!(Scale::log(values, 0.0, 10.0).place(3.0).is_finite());
            assert!(Scale::even(values, 0.0, 10.0).place(3.0).is_finite());
        }
    }
}
