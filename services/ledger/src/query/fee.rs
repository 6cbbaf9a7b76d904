//! `GET /api/parking/quote` and `POST /api/parking/fees/calculate`

use parking::decision;
use parking::tariff::{Charge, Right, Stay, Tariff};
use wire::http::{FeeLine, Problem, Quote, RateTableView};

use super::{NoAnswer, Reader, bad_field, history, policies, vehicles};

/// A calculation.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Id of a table held here, or a whole table as JSON.
    pub(super) rate_table: String,
    pub(super) entry: i64,
    pub(super) exit: i64,
    pub(super) vehicle_class: String,
    pub(super) rights: Option<serde_json::Value>,
    pub(super) lost_credential: bool,
}

/// The fee of the open session of a plate, now.
pub(super) async fn quote(reader: &Reader, plate: &str) -> Result<Quote, NoAnswer> {
    let tag = history::tag_of(reader, plate)?;
    let mut conn = reader.pool.acquire().await?;
    let (_, projection) = vehicles(&mut conn, &[tag]).await?;
    let Some(row) = projection.open_of(tag) else {
        return Err(Problem::new(
            404,
            "unknown_session",
            "No such session",
            "no open session has this plate",
        )
        .into());
    };
    let policies = policies(&mut conn).await?;
    let reference = reader.shared.reference();
    let site = reader.shared.site(&policies, &reference);
    let price = decision::quote(row, &site, kit::clock::now_ms()).map_err(NoAnswer::Problem)?;
    Ok(reader.shared.view().quote(Some(row.event_id.clone()), &price))
}

/// The fee of any stay by any table: one held here, or one the caller sent.
pub(super) fn calculate(reader: &Reader, wanted: &Wanted) -> Result<Quote, NoAnswer> {
    let (sent, reference);
    let tariff: &Tariff = if wanted.rate_table.trim_start().starts_with('{') {
        sent = Tariff::import(&wanted.rate_table)
            .map_err(|e| bad_field("rate_table", "invalid_rate_table", &e.to_string()))?;
        &sent
    } else {
        reference = reader.shared.reference();
        let held = reference.tariffs.find(&wanted.rate_table);
        held.ok_or_else(|| bad_field("rate_table", "unknown_rate_table", "no rate table has this id"))?
    };
    let serves = tariff.table().vehicle_classes.iter().any(|c| c.as_str() == wanted.vehicle_class);
    if !serves {
        return Err(bad_field(
            "vehicle_class",
            "class_not_priced",
            "the rate table has no price for this class",
        ));
    }
    let rights = rights(wanted.rights.as_ref())?;
    let stay = Stay {
        entry_ms: wanted.entry,
        exit_ms: wanted.exit,
        rights,
        lost_credential: wanted.lost_credential,
        discounts: Vec::new(),
    };
    Ok(answer(reader, &tariff.price(&stay)))
}

/// `[{id, valid_from, valid_to}]`, times RFC 3339.
fn rights(sent: Option<&serde_json::Value>) -> Result<Vec<Right>, NoAnswer> {
    let bad = |m: &str| bad_field("rights", "invalid_rights", m);
    let items = match sent {
        None | Some(serde_json::Value::Null) => return Ok(Vec::new()),
        Some(serde_json::Value::Array(items)) if items.len() <= 100 => items,
        Some(_) => return Err(bad("must be a list of at most 100 rights")),
    };
    let time = |item: &serde_json::Value, key: &str| {
        let text = item
            .get(key)
            .and_then(|v| v.as_str())
            .ok_or_else(|| bad("each needs valid_from and valid_to"))?;
        wire::time::parse_rfc3339(text).map_err(|e| bad(&e.to_string()))
    };
    items
        .iter()
        .map(|item| {
            Ok(Right {
                id: item.get("id").and_then(|v| v.as_str()).unwrap_or("pass").to_owned(),
                from_ms: time(item, "valid_from")?,
                to_ms: time(item, "valid_to")?,
            })
        })
        .collect()
}

fn answer(reader: &Reader, c: &Charge) -> Quote {
    let view = reader.shared.view();
    Quote {
        event_id: None,
        fee: Some(c.fee),
        currency: c.currency.clone(),
        rate_table: Some(RateTableView { id: c.table_id.clone(), version: c.table_version }),
        lines: c
            .lines
            .iter()
            .map(|l| FeeLine {
                text: l.text(view.language),
                from: Some(view.time(l.from_ms)),
                to: Some(view.time(l.to_ms)),
                amount: l.amount,
            })
            .collect(),
        valid_until: Some(view.time(c.valid_until_ms)),
    }
}
