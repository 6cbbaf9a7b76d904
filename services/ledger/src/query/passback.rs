//! `GET /api/rights/antipassback`

use parking::rights::{Newest, Register, name_of, state_of};
use parking::view::View;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use wire::event::{Credential, PassbackMode};
use wire::hash::PlateTag;
use wire::http::{Passback, PassbackView};

use super::{NoAnswer, Reader, cursor, history, register};

/// The columns of a session that say where its holder is.
const COLUMNS: &str = "select credential, plate, status in ('PENDING', 'INSIDE'), entry_time, exit_time, event_id, sorted_at \
                       from history";

/// The one holder asked for.
#[derive(Debug)]
pub(super) enum One {
    /// A credential.
    Credential(Credential),
    /// A vehicle.
    Vehicle(PlateTag, Option<String>),
    /// Nobody: whoever is inside.
    Nobody,
}

impl One {
    /// Reads it.
    pub(super) fn new(
        reader: &Reader,
        credential: Option<Credential>,
        plate: Option<&str>,
    ) -> Result<Self, NoAnswer> {
        Ok(match (credential, plate) {
            (Some(credential), _) => Self::Credential(credential),
            (None, Some(plate)) => {
                let (key, tag) = history::key_of(reader, plate)?;
                Self::Vehicle(tag, key.map(|k| k.to_string()))
            }
            (None, None) => Self::Nobody,
        })
    }
}

/// Modes, and where the holder is, or the credentials inside.
pub(super) async fn page(
    reader: &Reader,
    one: One,
    limit: u32,
    after: Option<&str>,
) -> Result<Passback, NoAnswer> {
    let view = reader.shared.view();
    let mut conn = reader.pool.acquire().await?;
    let register = register(&mut conn).await?;
    let (items, next_cursor) = match one {
        One::Nobody => inside(&mut conn, &view, &register, limit, after).await?,
        one => (vec![of_one(&mut conn, &view, &register, one).await?], None),
    };
    let lots = register.lot_modes().map(|(lot, set)| view.passback_mode(Some(lot), None, set));
    let passes = register.pass_modes().map(|(pass, set)| view.passback_mode(None, Some(pass), set));
    Ok(Passback {
        default_mode: PassbackMode::default(),
        modes: lots.chain(passes).collect(),
        items,
        next_cursor,
    })
}

async fn of_one(
    conn: &mut PgConnection,
    view: &View,
    register: &Register,
    one: One,
) -> Result<PassbackView, NoAnswer> {
    let newest = "order by sorted_at desc, event_id desc limit 1";
    let (credential, vehicle, row) = match one {
        One::Credential(c) => {
            let sql = format!("{COLUMNS} where credential = $1 {newest}");
            let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(name_of(&c)).fetch_optional(conn).await?;
            (Some(c), None, row)
        }
        One::Vehicle(tag, key) => {
            let sql = format!("{COLUMNS} where plate_tag = $1 and status <> 'DUPLICATE' {newest}");
            let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(tag.0).fetch_optional(conn).await?;
            (None, Some((tag, key)), row)
        }
        One::Nobody => (None, None, None),
    };
    let reset = register.reset_of(credential.as_ref(), vehicle.as_ref().map(|(tag, _)| *tag));
    let seen = row.as_ref().map(newest_of).transpose()?;
    let (state, since) = state_of(seen, reset);
    let plate: Option<String> = row.as_ref().map(|r| r.try_get(1)).transpose()?.flatten();
    Ok(PassbackView {
        credential,
        plate: plate.or_else(|| vehicle.and_then(|(_, key)| key)),
        state: state.as_str().to_owned(),
        since: since.map(|t| view.time(t)),
        event_id: row.as_ref().map(|r| r.try_get(5)).transpose()?,
    })
}

/// Credentials of open sessions, newest first.
async fn inside(
    conn: &mut PgConnection,
    view: &View,
    register: &Register,
    limit: u32,
    after: Option<&str>,
) -> Result<(Vec<PassbackView>, Option<String>), NoAnswer> {
    let (at, id) = match after.map(cursor::read).transpose()? {
        Some((at, id)) => (Some(at), Some(id)),
        None => (None, None),
    };
    let limit = limit.clamp(1, 500) as usize;
    let sql = format!(
        "{COLUMNS} where credential is not null and status in ('PENDING', 'INSIDE')
           and ($1::int8 is null or (sorted_at, event_id) < ($1, $2 collate \"C\"))
         order by sorted_at desc, event_id desc limit $3"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(at)
        .bind(id)
        .bind(limit as i64 + 1)
        .fetch_all(conn)
        .await?;
    let mut items = Vec::with_capacity(rows.len());
    for r in rows.iter().take(limit) {
        let name: String = r.try_get(0)?;
        let credential =
            name.split_once(':').map(|(kind, id)| Credential { kind: kind.to_owned(), id: id.to_owned() });
        let reset = register.reset_of(credential.as_ref(), None);
        let (state, since) = state_of(Some(newest_of(r)?), reset);
        items.push(PassbackView {
            credential,
            plate: r.try_get(1)?,
            state: state.as_str().to_owned(),
            since: since.map(|t| view.time(t)),
            event_id: Some(r.try_get(5)?),
        });
    }
    let last = rows.get(limit - 1).filter(|_| rows.len() > limit);
    let next = last.map(|r| Ok::<_, sqlx::Error>(cursor::write(r.try_get(6)?, r.try_get(5)?))).transpose()?;
    Ok((items, next))
}

fn newest_of(r: &PgRow) -> Result<Newest, NoAnswer> {
    let open: bool = r.try_get(2)?;
    let (entry, exit): (Option<i64>, Option<i64>) = (r.try_get(3)?, r.try_get(4)?);
    Ok(Newest { open, since: if open { entry } else { exit.or(entry) } })
}
