//! Figures as tables and plots show them.

use super::runs::Metric;

/// A value in the unit of its metric: three digits or so.
#[must_use]
pub fn figure(value: f64, metric: Metric) -> String {
    match metric {
        Metric::Wall | Metric::Cpu => seconds(value),
        Metric::PeakLargest | Metric::PeakSum | Metric::Size => mib(value),
    }
}

/// The word behind it.
#[must_use]
pub fn unit(metric: Metric) -> &'static str {
    match metric {
        Metric::Wall | Metric::Cpu => "s",
        Metric::PeakLargest | Metric::PeakSum | Metric::Size => "MiB",
    }
}

fn seconds(value: f64) -> String {
    match value {
        ..0.1 => format!("{value:.3}"),
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

fn mib(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_figures_show_more_of_themselves() {
        let of = |value| figure(value, Metric::Wall);
        assert_eq!(
            [of(0.0041), of(0.41), of(41.04), of(410.4)],
            ["0.004", "0.41", "41.0", "410"]
        );
        assert_eq!(figure(476.2, Metric::Size), "476");
    }
}
