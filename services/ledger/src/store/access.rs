//! `access_grants` and `audit_log`.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;
use wire::access::{Grant, Holder, Role};
use wire::bus::access::{Act, Replaced};
use wire::hash::Hash32;

use super::{StoreError, text};

/// Tokens and keys that are good at once, at most: the gateway holds them all.
const MOST: i64 = 1000;
/// Keys of one lane that are good at once, at most.
const MOST_OF_LANE: i64 = 8;

/// Why nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such token or key.
    Unknown,
    /// There are too many already.
    TooMany,
}

const GRANT: &str =
    "id, hash, person, role, lanes, note, created_at, created_by, expires_at, revoked_at, revoked_by";

fn grant(r: &PgRow) -> Result<Grant, StoreError> {
    let damaged = |what: &str| StoreError::Damaged(format!("access_grants.{what}"));
    let role = r.try_get::<Option<&str>, _>(3)?.map(|role| Role::of(role).ok_or_else(|| damaged("role")));
    let holder = match (r.try_get::<Option<String>, _>(2)?, role.transpose()?) {
        (Some(name), Some(role)) => Holder::Person { name, role },
        _ => Holder::Lanes(r.try_get::<Option<Vec<String>>, _>(4)?.ok_or_else(|| damaged("lanes"))?),
    };
    Ok(Grant {
        id: r.try_get(0)?,
        hash: Hash32::from_slice(r.try_get(1)?).ok_or_else(|| damaged("hash"))?,
        holder,
        note: r.try_get(5)?,
        created_at: r.try_get(6)?,
        created_by: r.try_get(7)?,
        expires_at: r.try_get(8)?,
        revoked_at: r.try_get(9)?,
        revoked_by: r.try_get(10)?,
    })
}

/// Everything that opens doors. What this release cannot read opens none.
pub async fn good(conn: &mut PgConnection, now: i64) -> Result<Vec<Grant>, StoreError> {
    let query = format!(
        "select {GRANT} from access_grants
         where revoked_at is null and (expires_at is null or expires_at > $1) order by id"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(query)).bind(now).fetch_all(conn).await?;
    let mut all = Vec::with_capacity(rows.len());
    for r in &rows {
        match grant(r) {
            Ok(g) => all.push(g),
            Err(e) => tracing::error!(error = %e, "a token or key cannot be read"),
        }
    }
    Ok(all)
}

/// Tokens of people, or the keys of one lane, newest first, after a place in that order.
pub async fn list(
    conn: &mut PgConnection,
    edge_id: Option<&str>,
    limit: i64,
    after: Option<(i64, String)>,
) -> Result<Vec<Grant>, StoreError> {
    let (at, id) = after.unzip();
    let query = format!(
        "select {GRANT} from access_grants
         where case when $1::text is null then person is not null else $1 = any(lanes) end
           and ($2::int8 is null or (created_at, id) < ($2, $3::text))
         order by created_at desc, id desc limit $4"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(query))
        .bind(edge_id)
        .bind(at)
        .bind(id)
        .bind(limit)
        .fetch_all(conn)
        .await?;
    rows.iter().map(grant).collect()
}

async fn count(conn: &mut PgConnection, lane: Option<&str>, now: i64) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(
        "select count(*) from access_grants
         where revoked_at is null and (expires_at is null or expires_at > $1)
           and ($2::text is null or $2 = any(lanes))",
    )
    .bind(now)
    .bind(lane)
    .fetch_one(conn)
    .await?)
}

/// Adds one, and lets the one it replaces end.
pub async fn add(
    conn: &mut PgConnection,
    new: &Grant,
    replaces: Option<&Replaced>,
    now: i64,
) -> Result<Result<Grant, Refusal>, StoreError> {
    let lanes: &[String] = match &new.holder {
        Holder::Lanes(lanes) => lanes,
        Holder::Person { .. } => &[],
    };
    if count(conn, None, now).await? >= MOST {
        return Ok(Err(Refusal::TooMany));
    }
    for lane in lanes {
        if count(conn, Some(lane), now).await? >= MOST_OF_LANE {
            return Ok(Err(Refusal::TooMany));
        }
    }
    if let Some(old) = replaces {
        let ended = sqlx::query(
            "update access_grants set expires_at = least(coalesce(expires_at, $2), $2)
             where id = $1 and $3 = any(lanes)",
        )
        .bind(text(&old.id))
        .bind(old.ends_at)
        .bind(lanes.first().map(|l| text(l)))
        .execute(&mut *conn)
        .await?;
        if ended.rows_affected() == 0 {
            return Ok(Err(Refusal::Unknown));
        }
    }
    let (person, role, lanes) = match &new.holder {
        Holder::Person { name, role } => (Some(text(name)), Some(role.as_str()), None),
        Holder::Lanes(lanes) => (None, None, Some(lanes.iter().map(|l| text(l)).collect::<Vec<_>>())),
    };
    let query = format!(
        "insert into access_grants (id, hash, person, role, lanes, note, created_at, created_by, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning {GRANT}"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(query))
        .bind(text(&new.id))
        .bind(new.hash.as_bytes())
        .bind(person)
        .bind(role)
        .bind(lanes)
        .bind(new.note.as_deref().map(text))
        .bind(now)
        .bind(text(&new.created_by))
        .bind(new.expires_at)
        .fetch_one(conn)
        .await?;
    Ok(Ok(grant(&row)?))
}

/// Ends one. The first word stands.
pub async fn revoke(
    conn: &mut PgConnection,
    id: &str,
    edge_id: Option<&str>,
    by: &str,
    now: i64,
) -> Result<Result<Grant, Refusal>, StoreError> {
    let query = format!(
        "update access_grants set revoked_at = coalesce(revoked_at, $2), revoked_by = coalesce(revoked_by, $3)
         where id = $1 and case when $4::text is null then person is not null else $4 = any(lanes) end
         returning {GRANT}"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(query))
        .bind(text(id))
        .bind(now)
        .bind(text(by))
        .bind(edge_id)
        .fetch_optional(conn)
        .await?;
    row.map_or(Ok(Err(Refusal::Unknown)), |r| Ok(Ok(grant(&r)?)))
}

/// Writes acts down. What is there already stays as it is.
pub async fn note(conn: &mut PgConnection, acts: &[Act]) -> Result<(), StoreError> {
    for a in acts {
        sqlx::query(
            "insert into audit_log (at, id, who, name, role, address, action, target, status, result, detail)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict (id) do nothing",
        )
        .bind(a.at)
        .bind(a.id)
        .bind(text(&a.who))
        .bind(a.name.as_deref().map(text))
        .bind(a.role.map(Role::as_str))
        .bind(a.address.as_deref().map(text))
        .bind(text(&a.action))
        .bind(a.target.as_deref().map(text))
        .bind(i32::from(a.status))
        .bind(text(&a.result))
        .bind(a.detail.as_deref().map(text))
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// Which acts are wanted.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Only of this kind.
    pub action: Option<String>,
    /// Only of this principal.
    pub who: Option<String>,
    /// `from ≤ at`.
    pub from: Option<i64>,
    /// `at < to`.
    pub to: Option<i64>,
}

/// Acts, newest first, after a place in that order.
pub async fn acts(
    conn: &mut PgConnection,
    wanted: &Wanted,
    limit: i64,
    after: Option<(i64, Uuid)>,
) -> Result<Vec<Act>, StoreError> {
    let (at, id) = after.unzip();
    let rows = sqlx::query(
        "select at, id, who, name, role, address, action, target, status, result, detail from audit_log
         where ($1::text is null or action = $1) and ($2::text is null or who = $2)
           and ($3::int8 is null or at >= $3) and ($4::int8 is null or at < $4)
           and ($5::int8 is null or (at, id) < ($5, $6::uuid))
         order by at desc, id desc limit $7",
    )
    .bind(wanted.action.as_deref().map(text))
    .bind(wanted.who.as_deref().map(text))
    .bind(wanted.from)
    .bind(wanted.to)
    .bind(at)
    .bind(id)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    let act = |r: &PgRow| {
        Ok(Act {
            at: r.try_get(0)?,
            id: r.try_get(1)?,
            who: r.try_get(2)?,
            name: r.try_get(3)?,
            role: r.try_get::<Option<&str>, _>(4)?.and_then(Role::of),
            address: r.try_get(5)?,
            action: r.try_get(6)?,
            target: r.try_get(7)?,
            status: u16::try_from(r.try_get::<i32, _>(8)?).unwrap_or_default(),
            result: r.try_get(9)?,
            detail: r.try_get(10)?,
        })
    };
    rows.iter().map(act).collect()
}

/// Forgets what ended, and what was done, before a moment.
pub async fn purge(conn: &mut PgConnection, before: i64) -> Result<(), StoreError> {
    sqlx::query("delete from access_grants where coalesce(revoked_at, expires_at) < $1")
        .bind(before)
        .execute(&mut *conn)
        .await?;
    sqlx::query("delete from audit_log where at < $1").bind(before).execute(conn).await?;
    Ok(())
}
