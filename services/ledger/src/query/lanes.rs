//! What people told lanes, how lanes work, and what belongs to no session.

use parking::decision::lane_control::CommandShown;
use parking::fact::Fact;
use parking::lane_book::LaneBook;
use parking::unresolved;
use wire::bus::lanes::{LaneModeNow, LanesHeard};
use wire::http::{LaneCommandView, Page, Unresolved};

use super::{NoAnswer, Reader};
use crate::store::{events, heartbeats};

const DAY_MS: i64 = 86_400_000;
/// Commands are shown for so long, ms.
const SHOWN_MS: i64 = 7 * DAY_MS;

async fn facts(reader: &Reader, since: i64) -> Result<Vec<Fact>, NoAnswer> {
    Ok(events::of_lanes(&mut *reader.pool.acquire().await?, since).await?)
}

/// Every lane whose mode somebody set.
pub(super) async fn modes(reader: &Reader) -> Result<Vec<LaneModeNow>, NoAnswer> {
    let facts = facts(reader, i64::MAX).await?;
    let book = LaneBook::of(&facts);
    let now = |(edge, set): (&str, &parking::lane_book::ModeSet)| LaneModeNow {
        edge_id: edge.to_owned(),
        mode: set.mode,
        since: set.since,
        staff_id: set.staff.id.clone(),
        reason: set.staff.reason.clone(),
    };
    Ok(book.modes().map(now).collect())
}

/// The last commands to a lane, newest first.
pub(super) async fn commands(
    reader: &Reader,
    edge_id: &str,
    limit: u32,
) -> Result<Page<LaneCommandView>, NoAnswer> {
    let facts = facts(reader, kit::clock::now_ms() - SHOWN_MS).await?;
    let book = LaneBook::of(&facts);
    let mut all: Vec<_> = book.commands().filter(|c| c.edge_id == edge_id).collect();
    all.sort_by(|a, b| b.issued_at.cmp(&a.issued_at).then(b.id.cmp(&a.id)));
    let view = reader.shared.view();
    let shown = |c| view.lane_command(&c);
    let items = all.into_iter().take(limit as usize).map(|c| shown(CommandShown::of(c, book.fate(c.id))));
    Ok(Page { items: items.collect(), next_cursor: None })
}

/// Manual vends and passages that belong to no session, newest first.
pub(super) async fn unresolved(
    reader: &Reader,
    days: u32,
    central: Option<&str>,
    limit: u32,
) -> Result<Unresolved, NoAnswer> {
    let facts = facts(reader, kit::clock::now_ms() - i64::from(days) * DAY_MS).await?;
    let mut all = unresolved::list(&facts);
    all.retain(|u| central.is_none_or(|c| u.central.as_str() == c));
    let view = reader.shared.view();
    let items = all.iter().take(limit as usize).map(|u| view.unresolved(u)).collect();
    Ok(Unresolved { items, total: all.len() as u64 })
}

/// What lanes last said of themselves.
pub(super) async fn heard(reader: &Reader) -> Result<LanesHeard, NoAnswer> {
    Ok(heartbeats::load(&mut *reader.pool.acquire().await?).await?)
}
