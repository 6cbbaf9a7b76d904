//! This central's clock against the others' median.

/// This central's clock less the median clock of the mesh, ms. `peer_skews`: each known peer's clock less ours.
///
/// Our own clock votes too, and of two middle values the one nearer to ours stands: without a majority nobody moves. (Of two
/// centrals that disagree, each would otherwise take over the other's error.)
pub fn own_offset_ms(peer_skews: &[i64]) -> i64 {
    let mut clocks = peer_skews.to_vec();
    clocks.push(0);
    clocks.sort_unstable();
    let (low, high) = (clocks[(clocks.len() - 1) / 2], clocks[clocks.len() / 2]);
    let median = if low.unsigned_abs() <= high.unsigned_abs() { low } else { high };
    median.saturating_neg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn offsets() {
        let cases: [(&[i64], i64); 7] = [
            (&[], 0),
            (&[9_000], 0),
            (&[0, 9_000], 0),
            (&[-9_000, -9_000], 9_000),
            (&[-9_000, -9_100, 3], 0),
            (&[-9_000, -9_100, -8_900, 3], 8_900),
            (&[7, 7, 7, 7, 7, 7, 7, 7, 7], -7),
        ];
        for (skews, offset) in cases {
            assert_eq!(own_offset_ms(skews), offset, "{skews:?}");
        }
    }

    proptest! {
        #[test]
        fn a_minority_of_wrong_clocks_moves_nobody_else(
            right in 3usize..8, wrong in proptest::collection::vec(-100_000_000i64..100_000_000, 0..3),
        ) {
            // All right clocks agree; one of them is ours.
            let mut skews = vec![0; right - 1];
            skews.extend(&wrong[..wrong.len().min(right - 1)]);
            prop_assert_eq!(own_offset_ms(&skews), 0);
        }

        #[test]
        fn order_does_not_matter(mut skews in proptest::collection::vec(any::<i64>(), 0..10)) {
            let a = own_offset_ms(&skews);
            skews.reverse();
            prop_assert_eq!(a, own_offset_ms(&skews));
        }
    }
}
