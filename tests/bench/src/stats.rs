//! Medians, spread, percentiles, and a line through points with what is known of its slope.

use serde::Serialize;

/// The median; 0 of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let at = |i: usize| sorted.get(i).copied().unwrap_or_default();
    if sorted.len() % 2 == 1 || sorted.is_empty() {
        at(middle)
    } else {
        f64::midpoint(at(middle - 1), at(middle))
    }
}

/// Smallest and largest; zeros of nothing.
pub(crate) fn spread(values: &[f64]) -> (f64, f64) {
    let smallest = values.iter().copied().min_by(f64::total_cmp).unwrap_or_default();
    (smallest, values.iter().copied().max_by(f64::total_cmp).unwrap_or_default())
}

/// The value below which so many percent lie, by nearest rank; 0 of nothing.
pub(crate) fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank within the values")]
    let rank = (sorted.len() as f64 * percent / 100.0).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// A line through points by ordinary least squares.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Slope {
    /// y per x.
    pub(crate) slope: f64,
    /// Half the width of its 95 % confidence interval.
    pub(crate) half_width: f64,
    /// Points.
    pub(crate) points: usize,
}

impl Slope {
    /// Whether the interval lies above zero: it grows, as far as these points can tell.
    pub(crate) fn grows(&self) -> bool {
        self.slope - self.half_width > 0.0
    }
}

/// The line; none through fewer than three points, or when all lie above one another.
pub(crate) fn slope(points: &[(f64, f64)]) -> Option<Slope> {
    let n = points.len() as f64;
    if points.len() < 3 {
        return None;
    }
    let (mx, my) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let sxx: f64 = points.iter().map(|p| (p.0 - mx).powi(2)).sum();
    if sxx <= 0.0 {
        return None;
    }
    let sxy: f64 = points.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
    let slope = sxy / sxx;
    let left: f64 = points.iter().map(|p| (p.1 - my - slope * (p.0 - mx)).powi(2)).sum();
    let error = (left / (n - 2.0) / sxx).sqrt();
    Some(Slope { slope, half_width: student(points.len() - 2) * error, points: points.len() })
}

/// Student's t, 97.5 %, by degrees of freedom.
fn student(freedom: usize) -> f64 {
    const FIRST: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145,
        2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048,
        2.045, 2.042,
    ];
    // Beyond, within 0.1 %: the first terms of its expansion around the normal quantile.
    let far = || 1.959_964 + 2.3723 / freedom as f64 + 2.8225 / (freedom as f64).powi(2);
    freedom.checked_sub(1).and_then(|i| FIRST.get(i).copied()).unwrap_or_else(far)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_percentiles() {
        assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0, 2.0, 3.0]), median(&[])), (2.0, 2.5, 0.0));
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(
            (percentile(&hundred, 50.0), percentile(&hundred, 99.0), percentile(&[], 50.0)),
            (50.0, 99.0, 0.0)
        );
        assert_eq!(spread(&[3.0, 1.0, 2.0]), (1.0, 3.0));
    }

    /// The figures of `lm(dist ~ speed, cars[1:10,])` in R: 1.0 ± …, worked out by hand here.
    #[test]
    fn a_slope_has_the_interval_of_the_textbook() {
        let points = [(1.0, 2.0), (2.0, 4.1), (3.0, 5.9), (4.0, 8.1), (5.0, 9.9)];
        let line = slope(&points).unwrap();
        assert!((line.slope - 1.98).abs() < 1e-9);
        // Residuals 0.02 … : s² = 0.028 / 3, se = sqrt(s² / 10), t(3) = 3.182.
        let left: f64 = [-0.04, 0.08, -0.10, 0.12, -0.06].iter().map(|r: &f64| r * r).sum();
        assert!((line.half_width - 3.182 * (left / 3.0 / 10.0).sqrt()).abs() < 1e-9);
        assert!(line.grows());
    }

    #[test]
    fn noise_around_a_level_does_not_grow_and_two_points_say_nothing() {
        let level: Vec<(f64, f64)> =
            (0..100).map(|i| (f64::from(i), 50.0 + f64::from(i * 37 % 11))).collect();
        assert!(!slope(&level).unwrap().grows());
        assert_eq!(slope(&level[..2]), None);
        assert_eq!(slope(&[(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]), None);
    }

    #[test]
    fn students_quantiles_go_over_into_the_normal_one() {
        assert!((student(31) - 2.0395).abs() < 2e-3);
        assert!((student(60) - 2.0003).abs() < 1e-3);
        assert!((student(1_000_000) - 1.96).abs() < 1e-3);
    }
}
