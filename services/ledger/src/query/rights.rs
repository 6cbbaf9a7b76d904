//! `GET /api/rights/lists` and `GET /api/rights/passes`

use parking::rights::Held;
use wire::event::ListKind;
use wire::http::{HeldPassView, ListEntries, ListEntryView, PassList};

use super::{NoAnswer, Reader, cursor, history, register};

/// Entries of lists, by id.
pub(super) async fn lists(
    reader: &Reader,
    kind: Option<ListKind>,
    plate: Option<&str>,
    all: bool,
    limit: u32,
    after: Option<&str>,
) -> Result<ListEntries, NoAnswer> {
    let key = plate.map(|p| history::key_of(reader, p)).transpose()?.map(|(key, _)| key);
    let mut conn = reader.pool.acquire().await?;
    let register = register(&mut conn).await?;
    drop(conn);
    let (view, now) = (reader.shared.view(), kit::clock::now_ms());
    let over = |e: &ListEntryView, to: Option<i64>| e.ended || to.is_some_and(|to| to <= now);
    let entries = register.lists().filter_map(|entry| {
        let item = view.list_entry(&entry.said, entry.into(), now);
        let wanted = kind.is_none_or(|k| k == item.kind)
            && (all || !over(&item, entry.said.valid_to))
            && key.as_ref().is_none_or(|k| k.as_ref().is_some_and(|k| k.as_str() == item.plate_key));
        wanted.then_some(item)
    });
    let (items, next_cursor) = page(entries, |e| &e.id, limit, after)?;
    Ok(ListEntries { items, next_cursor })
}

/// Passes, by id: the external API's, or where it has none those given here.
pub(super) async fn passes(
    reader: &Reader,
    plate: Option<&str>,
    all: bool,
    limit: u32,
    after: Option<&str>,
) -> Result<PassList, NoAnswer> {
    let key = plate.map(|p| history::key_of(reader, p)).transpose()?.map(|(key, _)| key);
    let (view, now) = (reader.shared.view(), kit::clock::now_ms());
    let external = reader.shared.reference().passes;
    let mut found: Vec<HeldPassView> = if let Some(version) = external.version() {
        let held = external.all().iter().map(|pass| Held { pass, version: Some(version) });
        held.filter(|h| all || now < h.valid_to()).map(|h| view.external_pass(&h, now)).collect()
    } else {
        let mut conn = reader.pool.acquire().await?;
        let register = register(&mut conn).await?;
        drop(conn);
        let given = register.passes_set().filter(|p| all || (!p.said.ended && now < p.said.valid_to));
        given.map(|p| view.pass_set(&p.said, p.into(), now)).collect()
    };
    if let Some(key) = key {
        found.retain(|p| key.as_ref().is_some_and(|k| p.plates.iter().any(|own| own == k.as_str())));
    }
    found.sort_by(|a, b| a.id.cmp(&b.id));
    let (items, next_cursor) = page(found, |p| &p.id, limit, after)?;
    Ok(PassList { items, next_cursor })
}

/// One page of things that come by id.
fn page<T>(
    all: impl IntoIterator<Item = T>,
    id: fn(&T) -> &String,
    limit: u32,
    after: Option<&str>,
) -> Result<(Vec<T>, Option<String>), NoAnswer> {
    let behind = after.map(cursor::read).transpose()?;
    let behind = |item: &T| behind.as_ref().is_none_or(|(_, last)| id(item) > last);
    let limit = limit.clamp(1, 500) as usize;
    let mut items: Vec<T> = all.into_iter().filter(behind).take(limit + 1).collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| cursor::write(0, id(last)));
    Ok((items, next))
}
