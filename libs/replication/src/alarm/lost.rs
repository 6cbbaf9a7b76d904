//! Ranges of the log that nobody holds.

use wire::alarm::AlarmCode;
use wire::id::CentralId;
use wire::position::SeqRange;

use super::board::Standing;

/// Maps of peers are still on their way at first: a range must be held by nobody for so long, ms.
const STANDS_MS: i64 = 30_000;
/// Ranges named in the alarm.
const NAMED: usize = 3;

/// The alarm of ranges that are known to exist and that no configured peer is known to hold. `unheard`: configured peers that have not
/// told their map, and may hold them all the same.
pub fn nowhere(ranges: &[SeqRange], unheard: &[CentralId]) -> Option<Standing> {
    if ranges.is_empty() {
        return None;
    }
    let mut named: Vec<String> = ranges.iter().take(NAMED).map(ToString::to_string).collect();
    if ranges.len() > NAMED {
        named.push(format!("{} more", ranges.len() - NAMED));
    }
    let unheard = match unheard {
        [] => String::new(),
        peers => {
            let names: Vec<&str> = peers.iter().map(CentralId::as_str).collect();
            format!("; not heard of yet: {}", names.join(", "))
        }
    };
    Some(Standing {
        code: AlarmCode::RangeUnavailable,
        peer: None,
        detail: format!(
            "{}: known to exist, and no configured peer is known to hold it{unheard}; `parkctl lost-range` closes it",
            named.join(", ")
        ),
        after_ms: STANDS_MS,
    })
}

#[cfg(test)]
mod tests {
    use wire::id::Incarnation;
    use wire::position::StreamId;

    use super::*;

    #[test]
    fn the_alarm_names_some_ranges_and_whoever_was_not_heard() {
        let stream = StreamId { central: CentralId::new("central-3").unwrap(), incarnation: Incarnation(7) };
        let range = |from, to| SeqRange { stream: stream.clone(), from, to };
        assert_eq!(nowhere(&[], &[]), None);
        let all = [range(3, 9), range(12, 12), range(20, 21), range(30, 31), range(40, 41)];
        let s = nowhere(&all, &[CentralId::new("central-5").unwrap()]).unwrap();
        assert_eq!((s.code, s.after_ms), (AlarmCode::RangeUnavailable, 30_000));
        let begins = format!("{stream}/3-9, {stream}/12, {stream}/20-21, 2 more: known to exist");
        assert!(
            s.detail.starts_with(&begins) && s.detail.contains("not heard of yet: central-5"),
            "{}",
            s.detail
        );
    }
}
