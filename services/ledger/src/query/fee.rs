//! `GET /api/parking/quote` and `POST /api/parking/fees/calculate`

use parking::decision::{self, Site, Terms};
use parking::reference::Reference;
use parking::rights::Rights;
use parking::tariff::{Charge, FieldError as TableError, Language, Right, Stay, Tariff};
use parking::view::View;
use wire::http::{FeeLine, FieldError, Problem, Quote, RateTableView};

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
    pub(super) discounts: Vec<String>,
}

/// The fee of the open session of a plate, now and on these terms.
pub(super) async fn quote(reader: &Reader, plate: &str, terms: Terms<'_>) -> Result<Quote, NoAnswer> {
    let (key, tag) = history::key_of(reader, plate)?;
    let mut conn = reader.pool.acquire().await?;
    let (policies, register) = (policies(&mut conn).await?, super::register(&mut conn).await?);
    let (reference, lots) = (reader.shared.reference(), reader.shared.lots());
    let rights = Rights { register: Some(&register), lots: &lots };
    let site = Site { rights, ..reader.shared.site(&policies, &reference) };
    let mut tags = vec![tag];
    tags.extend(key.iter().flat_map(|key| decision::shared_passes(key, &site)));
    let (_, projection) = vehicles(&mut conn, &tags).await?;
    let Some(row) = projection.open_of(tag) else {
        return Err(Problem::new(
            404,
            "unknown_session",
            "No such session",
            "no open session has this plate",
        )
        .into());
    };
    let now = kit::clock::now_ms();
    let price = decision::quote(row, &site, &projection.rows, now, terms).map_err(NoAnswer::Problem)?;
    Ok(reader.shared.view().quote(Some(row.event_id.clone()), &price))
}

/// The fee of any stay by any table: one held here, or one the caller sent.
pub(super) fn calculate(reference: &Reference, view: &View, wanted: &Wanted) -> Result<Quote, NoAnswer> {
    let sent;
    let tariff: &Tariff = if wanted.rate_table.trim_start().starts_with('{') {
        sent = Tariff::import(&wanted.rate_table)
            .map_err(|e| Problem::invalid(e.errors.into_iter().map(of_table).collect()))?;
        &sent
    } else {
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
        discounts: discounts(tariff, &wanted.discounts)?,
    };
    Ok(answer(view, &tariff.price(&stay)))
}

/// What is wrong with a table that was sent, where it stands in the body.
fn of_table(error: TableError) -> FieldError {
    FieldError {
        field: format!("/rate_table{}", error.field),
        code: error.code.to_owned(),
        message: error.message,
    }
}

/// The discounts granted; those of nobody's table are a mistake.
fn discounts(tariff: &Tariff, sent: &[String]) -> Result<Vec<String>, NoAnswer> {
    for (i, id) in sent.iter().enumerate() {
        if !tariff.table().discounts.iter().any(|d| d.id == *id) {
            let field = format!("discounts/{i}");
            return Err(bad_field(&field, "unknown_discount", "the rate table has no discount of this id"));
        }
    }
    Ok(sent.to_vec())
}

/// `[{id, valid_from, valid_to}]`, times RFC 3339; `valid_to` null is for ever.
fn rights(sent: Option<&serde_json::Value>) -> Result<Vec<Right>, NoAnswer> {
    let bad = |at: &str, m: &str| bad_field(at, "invalid_rights", m);
    let items = match sent {
        None | Some(serde_json::Value::Null) => return Ok(Vec::new()),
        Some(serde_json::Value::Array(items)) if items.len() <= 100 => items,
        Some(_) => return Err(bad("rights", "must be a list of at most 100 rights")),
    };
    let mut all = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        let time = |key: &str| {
            let at = format!("rights/{i}/{key}");
            let text = item.get(key).and_then(|v| v.as_str()).ok_or_else(|| bad(&at, "must be a time"))?;
            wire::time::parse_rfc3339(text).map_err(|e| bad(&at, &e.to_string()))
        };
        let endless = item.get("valid_to").is_some_and(serde_json::Value::is_null);
        all.push(Right {
            id: item.get("id").and_then(|v| v.as_str()).unwrap_or("pass").to_owned(),
            from_ms: time("valid_from")?,
            to_ms: if endless { i64::MAX } else { time("valid_to")? },
        });
    }
    Ok(all)
}

fn answer(view: &View, c: &Charge) -> Quote {
    Quote {
        event_id: None,
        fee: Some(c.fee),
        currency: c.currency.clone(),
        rate_table: Some(RateTableView { id: c.table_id.clone(), version: c.table_version }),
        lines: c
            .lines
            .iter()
            .map(|l| FeeLine {
                text: l.text(Language::Vi),
                text_en: l.text(Language::En),
                from: Some(view.time(l.from_ms)),
                to: Some(view.time(l.to_ms)),
                amount: l.amount,
            })
            .collect(),
        valid_until: Some(view.time(c.valid_until_ms)),
        unrounded: Some(c.unrounded),
        rights: Vec::new(),
        flags: c.flags.iter().map(|f| decision::charge_flag_name(*f).to_owned()).collect(),
    }
}
