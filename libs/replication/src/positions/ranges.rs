//! Sets of sequence numbers as sorted, disjoint, non-adjacent inclusive ranges.

/// An inclusive range of sequence numbers.
pub(crate) type Range = (u64, u64);

/// Sorts, clamps to `1..=last` and joins overlapping or adjacent ranges.
pub(crate) fn normalise(mut ranges: Vec<Range>, last: u64) -> Vec<Range> {
    ranges.retain(|&(from, to)| from <= to && from <= last && to >= 1);
    ranges.sort_unstable();
    let mut out: Vec<Range> = Vec::with_capacity(ranges.len());
    for (from, to) in ranges {
        let (from, to) = (from.max(1), to.min(last));
        match out.last_mut() {
            Some(before) if from <= before.1.saturating_add(1) => before.1 = before.1.max(to),
            _ => out.push((from, to)),
        }
    }
    out
}

/// What is in both.
pub(crate) fn intersect(a: &[Range], b: &[Range]) -> Vec<Range> {
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let (from, to) = (x.0.max(y.0), x.1.min(y.1));
        if from <= to {
            out.push((from, to));
        }
        if x.1 < y.1 { i += 1 } else { j += 1 }
    }
    out
}

/// What is in `1..=last` and not in `holes`.
pub(crate) fn complement(holes: &[Range], last: u64) -> Vec<Range> {
    let (mut next, mut out) = (1u64, Vec::new());
    for &(from, to) in holes {
        if from > next {
            out.push((next, from - 1));
        }
        next = to.saturating_add(1);
    }
    if next <= last {
        out.push((next, last));
    }
    out
}

/// How many numbers the ranges hold.
pub(crate) fn len(ranges: &[Range]) -> u64 {
    ranges.iter().fold(0, |n, (from, to)| n.saturating_add(to - from).saturating_add(1))
}

/// What is in `a` and not in `b`.
pub(crate) fn subtract(a: &[Range], b: &[Range]) -> Vec<Range> {
    let (mut j, mut out) = (0, Vec::new());
    for &(from, to) in a {
        let mut next = Some(from);
        while let (Some(from), Some(&(hole_from, hole_to))) = (next, b.get(j)) {
            if hole_to < from {
                j += 1;
                continue;
            }
            if hole_from > to {
                break;
            }
            if hole_from > from {
                out.push((from, hole_from - 1));
            }
            next = hole_to.checked_add(1).filter(|n| *n <= to);
        }
        out.extend(next.map(|from| (from, to)));
    }
    out
}

/// What is in either.
pub(crate) fn union(a: &[Range], b: &[Range]) -> Vec<Range> {
    normalise(a.iter().chain(b).copied().collect(), u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_after_holes() {
        let all = [(1, 10), (20, 30)];
        assert_eq!(subtract(&all, &[]), all);
        assert_eq!(subtract(&all, &[(1, 10)]), [(20, 30)]);
        assert_eq!(subtract(&all, &[(5, 22), (30, 40)]), [(1, 4), (23, 29)]);
        assert_eq!(subtract(&all, &[(0, u64::MAX)]), []);
        let whole = [(1, u64::MAX)];
        assert_eq!(subtract(&whole, &[(5, u64::MAX)]), [(1, 4)]);
        assert_eq!(subtract(&whole, &whole), []);
        assert_eq!(union(&[(1, 3), (9, u64::MAX)], &[(4, 5)]), [(1, 5), (9, u64::MAX)]);
    }
}
