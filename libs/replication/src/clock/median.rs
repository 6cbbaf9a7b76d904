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

/// Clocks this near to the median agree with it, ms.
const AGREE_MS: u64 = 1_000;

/// The own offset, where it is sure: two other clocks at least, and more than half of all, the own one counted, agree with the
/// median. With the number of other clocks. A mesh that disagrees about the time gives none.
pub fn sure_offset(peer_skews: &[i64]) -> Option<(i64, u32)> {
    let median = own_offset_ms(peer_skews).saturating_neg();
    let all = peer_skews.iter().copied().chain([0]);
    let agree = all.filter(|c| c.abs_diff(median) <= AGREE_MS).count();
    (peer_skews.len() >= 2 && agree * 2 > peer_skews.len() + 1)
        .then(|| (median.saturating_neg(), u32::try_from(peer_skews.len()).unwrap_or(u32::MAX)))
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

    #[test]
    fn an_offset_is_sure_when_most_clocks_agree() {
        type Case = (&'static [i64], Option<(i64, u32)>);
        let cases: [Case; 7] = [
            (&[], None),
            (&[9_000], None),
            (&[-9_000, -9_100], Some((9_000, 2))),
            (&[3, -4], Some((0, 2))),
            // Three clocks, three opinions.
            (&[7_200_000, -3_600_000], None),
            // Half of four is no majority.
            (&[9_000, 9_000, 5], None),
            (&[-9_000, -9_100, -8_900, 3], Some((8_900, 4))),
        ];
        for (skews, sure) in cases {
            assert_eq!(sure_offset(skews), sure, "{skews:?}");
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
