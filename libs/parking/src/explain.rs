//! Conflicts in words: what happened, who stands, by which rule, and what clocks had to do with it.

use wire::http::Explanation;

use crate::clock::{OWN_OFFSET_LIMIT_MS, SKEW_LIMIT_MS, SKEW_WARN_MS};
use crate::history::{Candidate, ConflictKind, ConflictRow};
use crate::tariff::Language;
use crate::tariff::text::duration;

/// A conflict in both languages.
#[must_use]
pub fn conflict(row: &ConflictRow) -> Explanation {
    Explanation { vi: words(row, Language::Vi), en: words(row, Language::En) }
}

fn words(row: &ConflictRow, language: Language) -> String {
    let mut text = what(row, language);
    for side in &row.candidates {
        for sentence in clocks(side, language) {
            text.push(' ');
            text.push_str(&sentence);
        }
    }
    text
}

/// A length in words; below a second there are none.
fn length(ms: i64, language: Language) -> String {
    let seconds = i64::try_from(ms.unsigned_abs() / 1000).unwrap_or(i64::MAX);
    match (seconds, language) {
        (0, Language::Vi) => "dưới 1 giây".to_owned(),
        (0, Language::En) => "less than 1 s".to_owned(),
        _ => duration(seconds, language),
    }
}

fn what(row: &ConflictRow, language: Language) -> String {
    let vi = language == Language::Vi;
    let time = |i: usize| row.candidates.get(i).map_or(0, |c| c.occurred_at);
    let gap = length(time(1).saturating_sub(time(0)), language);
    let window = length(row.window_ms.unwrap_or(0), language);
    let version = match (row.policy_version, vi) {
        (0, true) => "quy tắc có sẵn".to_owned(),
        (0, false) => "built-in rule".to_owned(),
        (n, true) => format!("chính sách phiên bản {n}"),
        (n, false) => format!("policy version {n}"),
    };
    match (row.kind, vi) {
        (ConflictKind::DuplicateEntry, true) => format!(
            "Hai lần mở cách nhau {gap}, nằm trong khoảng trùng lặp {window} ({version}): là cùng một lượt xe. Lần mở đầu tiên được giữ."
        ),
        (ConflictKind::DuplicateEntry, false) => format!(
            "The two openings are {gap} apart, within the duplicate window of {window} ({version}): one passage. The first opening stands."
        ),
        (ConflictKind::Reentry, true) => format!(
            "Xe vào lại sau {gap}, ngoài khoảng trùng lặp {window} ({version}), khi lượt trước còn mở: lượt mới được giữ, lượt cũ bị thay thế với phí 0 và cần xem lại."
        ),
        (ConflictKind::Reentry, false) => format!(
            "The vehicle entered again after {gap}, beyond the duplicate window of {window} ({version}), while its session was open: the new session stands, the older one is superseded with fee 0 and to be reviewed."
        ),
        (ConflictKind::DoubleExit, true) if row.winner.is_some() => format!(
            "Lượt này đã có lần ra trước đó {gap}: lần ra sớm hơn được giữ, cả hai khoản phí được giữ lại để xem xét."
        ),
        (ConflictKind::DoubleExit, false) if row.winner.is_some() => format!(
            "The session was left {gap} before already: the earlier exit stands, both fees are kept for review."
        ),
        (ConflictKind::DoubleExit, true) => {
            "Lần ra này nêu một lượt đã đóng mà không có lần ra nào: cần người quyết định.".to_owned()
        }
        (ConflictKind::DoubleExit, false) => {
            "The exit names a session that was closed without one: a person must decide.".to_owned()
        }
        (ConflictKind::ExitWithoutEntry, true) => {
            "Không tìm thấy lượt vào nào của xe này trước lần ra: cần người quyết định. Nếu lượt vào đến sau, hai bên sẽ tự khớp."
                .to_owned()
        }
        (ConflictKind::ExitWithoutEntry, false) => {
            "No open entry of this vehicle is known before the exit: a person must decide. An entry that arrives later is matched by itself."
                .to_owned()
        }
        (ConflictKind::ClockAnomaly, true) => format!(
            "Giờ ra đứng trước giờ vào {gap}: thời gian gửi tính bằng 0, cần kiểm tra đồng hồ."
        ),
        (ConflictKind::ClockAnomaly, false) => {
            format!("The exit stands {gap} before the entry: the stay counts as 0, the clocks are to be checked.")
        }
        (ConflictKind::LateBasis, true) => {
            "Phí đã thu không tính từ lượt vào (hoặc giờ, biển số) được biết bây giờ. Tiền không bao giờ bị sửa; phần chênh lệch được ghi lại để xem xét."
                .to_owned()
        }
        (ConflictKind::LateBasis, false) => {
            "The charge was not made from the entry (or the time, or the plate) that is known now. Money is never rewritten; the difference is recorded for review."
                .to_owned()
        }
    }
}

/// What clocks had to do with one side: nothing, for most.
fn clocks(side: &Candidate, language: Language) -> Vec<String> {
    let vi = language == Language::Vi;
    let central = &side.central;
    let mut out = Vec::new();
    if let Some(skew) = side.skew_ms.filter(|s| s.unsigned_abs() > SKEW_WARN_MS.unsigned_abs()) {
        let by = length(skew, language);
        let believed = skew.unsigned_abs() <= SKEW_LIMIT_MS.unsigned_abs();
        out.push(match (vi, believed) {
            (true, true) => format!("Đồng hồ làn tại {central} lệch {by}, giờ đã được hiệu chỉnh."),
            (true, false) => format!("Đồng hồ làn tại {central} lệch {by}, dùng giờ nhận của {central}."),
            (false, true) => {
                format!("The lane's clock at {central} was off by {by}, its time was corrected.")
            }
            (false, false) => {
                format!("The lane's clock at {central} was off by {by}, {central}'s receive time was taken.")
            }
        });
    }
    if let Some(offset) = side.offset_ms.filter(|o| o.unsigned_abs() > OWN_OFFSET_LIMIT_MS.unsigned_abs()) {
        let by = length(offset, language);
        out.push(if vi {
            format!("{central} biết đồng hồ của mình lệch {by} và đã trừ đi khi ghi.")
        } else {
            format!("{central} knew its clock to be off by {by} and took that off when it recorded.")
        });
    }
    let moved = side.occurred_at.saturating_sub(side.stamped_at);
    if moved != 0 {
        let by = length(moved, language);
        out.push(if vi {
            format!("Sau đó phát hiện đồng hồ của {central} sai {by}; giờ đã được sửa theo CLOCK_OFFSET.")
        } else {
            format!(
                "{central}'s clock was found wrong by {by} later; the time is corrected by its CLOCK_OFFSET."
            )
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use wire::hash::{Hash32, PlateTag};
    use wire::id::Incarnation;
    use wire::position::{Position, StreamId};

    use super::*;
    use crate::history::EventRef;

    fn side(at: i64) -> Candidate {
        let central: wire::id::CentralId = "central-3".parse().unwrap();
        let stream = StreamId { central: central.clone(), incarnation: Incarnation(1) };
        Candidate {
            kind: "VEHICLE_ENTRY_PENDING".to_owned(),
            event: EventRef { position: Position { stream, seq: 1 }, hash: Hash32::default() },
            event_id: None,
            central,
            occurred_at: at,
            stamped_at: at,
            received_at: Some(at),
            captured_at: None,
            skew_ms: None,
            offset_ms: Some(0),
            fee: None,
        }
    }

    fn row(kind: ConflictKind, candidates: Vec<Candidate>) -> ConflictRow {
        ConflictRow {
            id: Hash32::default(),
            kind,
            plate_tag: PlateTag::default(),
            plate: Some("29A-123.45".to_owned()),
            detected_at: 0,
            winner: candidates.first().map(|c| c.event.clone()),
            candidates,
            rule: kind.rule().to_owned(),
            policy_version: 3,
            window_ms: Some(60_000),
        }
    }

    #[test]
    fn the_window_and_the_policy_are_named() {
        let e = conflict(&row(ConflictKind::DuplicateEntry, vec![side(0), side(45_000)]));
        assert_eq!(
            e.en,
            "The two openings are 45 s apart, within the duplicate window of 1 min (policy version 3): one passage. The first opening stands."
        );
        assert!(
            e.vi.contains("45 giây") && e.vi.contains("1 phút") && e.vi.contains("phiên bản 3"),
            "{}",
            e.vi
        );
    }

    #[test]
    fn clocks_that_had_a_part_in_it_are_named() {
        let mut late = side(45_000);
        late.skew_ms = Some(-40_000);
        late.stamped_at = 45_000 + 7_200_000;
        let e = conflict(&row(ConflictKind::Reentry, vec![side(0), late]));
        assert!(e.en.contains("lane's clock at central-3 was off by 40 s"), "{}", e.en);
        assert!(e.en.contains("central-3's clock was found wrong by 2 h later"), "{}", e.en);
        assert!(e.vi.contains("sai 2 giờ"), "{}", e.vi);
        let quiet = conflict(&row(ConflictKind::Reentry, vec![side(0), side(90_000)]));
        assert!(!quiet.en.contains("clock"), "{}", quiet.en);
    }

    #[test]
    fn every_kind_has_words_without_the_plate() {
        use ConflictKind::*;
        for kind in [DuplicateEntry, Reentry, DoubleExit, ExitWithoutEntry, ClockAnomaly, LateBasis] {
            let e = conflict(&row(kind, vec![side(0), side(1)]));
            for text in [e.vi, e.en] {
                assert!(text.len() > 40 && !text.contains("29A"), "{text}");
            }
        }
    }
}
