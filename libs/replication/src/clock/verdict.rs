//! Whose clock is wrong.

use wire::alarm::AlarmCode;

use super::median::{own_offset_ms, sure_offset};
use crate::alarm::{Board, Standing};

/// Clocks this far off are worth a warning, ms.
const WARN_MS: i64 = 300;
/// Clocks this far off rank events wrongly, ms.
const WRONG_MS: i64 = 5_000;
/// An alarm that stands ends at this share of its limit, percent: a clock at the limit does not ring all day.
const ENDS_AT: i64 = 80;

/// What is known of the clocks of the mesh.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clocks {
    /// Each linked peer's clock less ours, ms.
    pub peers: Vec<(String, i64)>,
}

/// A length for people.
fn text(ms: i64) -> String {
    match ms.unsigned_abs() {
        n if n < 10_000 => format!("{n} ms"),
        n if n < 600_000 => format!("{} s", n / 1000),
        n => format!("{} min", n / 60_000),
    }
}

fn way(ms: i64) -> &'static str {
    if ms >= 0 { "ahead" } else { "behind" }
}

/// The alarms that clocks ask for: against the median where most of them agree, else pair by pair. `board` tells which stand.
pub fn alarms(clocks: &Clocks, board: &Board) -> Vec<Standing> {
    let skews: Vec<i64> = clocks.peers.iter().map(|(_, s)| *s).collect();
    let own = own_offset_ms(&skews);
    let sure = sure_offset(&skews).is_some();
    let mut out = Vec::new();
    if sure {
        let detail = format!(
            "this central's clock is {} {} of the median of {} centrals",
            text(own),
            way(own),
            skews.len() + 1
        );
        out.extend(judged(board, None, own, detail));
    }
    for (peer, skew) in &clocks.peers {
        let (off, detail) = if sure {
            let off = skew.saturating_add(own);
            (off, format!("{peer}'s clock is {} {} of the median", text(off), way(off)))
        } else {
            let detail = format!(
                "{peer}'s clock is {} {} of this central's; too few clocks agree to say whose is wrong",
                text(*skew),
                way(*skew)
            );
            (*skew, detail)
        };
        out.extend(judged(board, Some(peer), off, detail));
    }
    out
}

fn judged(board: &Board, peer: Option<&str>, off: i64, detail: String) -> Option<Standing> {
    let above = |code, limit: i64| {
        let limit = if board.stands(code, peer) { limit * ENDS_AT / 100 } else { limit };
        off.unsigned_abs() > limit.unsigned_abs()
    };
    let code = if above(AlarmCode::ClockWrong, WRONG_MS) {
        AlarmCode::ClockWrong
    } else if above(AlarmCode::ClockSkew, WARN_MS) {
        AlarmCode::ClockSkew
    } else {
        return None;
    };
    Some(Standing { code, peer: peer.map(str::to_owned), detail: format!("clock: {detail}"), after_ms: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::Moment;

    fn named(skews: &[(&str, i64)]) -> Vec<(AlarmCode, Option<String>)> {
        let peers = skews.iter().map(|(p, s)| ((*p).to_owned(), *s)).collect();
        alarms(&Clocks { peers }, &Board::default()).into_iter().map(|a| (a.code, a.peer)).collect()
    }

    #[test]
    fn the_wrong_clock_is_named_and_no_other() {
        use AlarmCode::{ClockSkew, ClockWrong};
        let peer = |p: &str| Some(p.to_owned());
        assert_eq!(named(&[("c2", 5), ("c3", -200)]), []);
        assert_eq!(named(&[("c2", 5), ("c3", 310)]), [(ClockSkew, peer("c3"))]);
        assert_eq!(named(&[("c2", 5), ("c3", 7_200_000), ("c4", 0)]), [(ClockWrong, peer("c3"))]);
        assert_eq!(named(&[("c2", -7_200_000), ("c3", -7_200_100)]), [(ClockWrong, None)], "it is ours");
        assert_eq!(named(&[("c2", -7_200_000)]), [(ClockWrong, peer("c2"))], "nobody can say whose");
        assert_eq!(named(&[]), []);
    }

    #[test]
    fn the_text_says_whose_by_how_much_and_which_way() {
        let say = |skews: &[(&str, i64)]| {
            let peers = skews.iter().map(|(p, s)| ((*p).to_owned(), *s)).collect();
            alarms(&Clocks { peers }, &Board::default()).remove(0).detail
        };
        assert_eq!(
            say(&[("c2", -7_200_000), ("c3", -7_200_000)]),
            "clock: this central's clock is 120 min ahead of the median of 3 centrals"
        );
        assert_eq!(say(&[("c2", 0), ("c3", -400)]), "clock: c3's clock is 400 ms behind of the median");
        assert!(say(&[("c2", 20_000)]).contains("whose is wrong"));
    }

    #[test]
    fn a_clock_at_the_limit_does_not_ring_all_day() {
        let mut board = Board::default();
        let clocks = |skew| Clocks { peers: vec![("c2".to_owned(), skew), ("c3".to_owned(), 0)] };
        let mut changes = 0;
        for (i, skew) in [310, 290, 310, 295, 301].into_iter().enumerate() {
            let standing = alarms(&clocks(skew), &board);
            let at = i as i64 * 1000;
            changes += board.update(Moment { wall_ms: at, steady_ms: at }, standing).len();
        }
        assert_eq!(changes, 1);
        let standing = alarms(&clocks(200), &board);
        assert_eq!(standing, []);
    }
}
