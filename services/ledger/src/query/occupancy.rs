//! `GET /api/parking/occupancy` and its corrections

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use parking::rights::{Counts, LotRule, Place};
use tokio_util::sync::CancellationToken;
use wire::http::{Occupancy, OccupancyCorrectionView, OccupancyCorrections, PlaceOccupancy};

use super::{NoAnswer, Reader, cursor, register};
use crate::store::projection;

/// How often the metric is told …
const LOOK: Duration = Duration::from_secs(10);
/// … unless counting takes long, which it does where many are inside or the machine is busy: then it takes this part of the time …
const PART: u32 = 200;
/// … and is never rarer than this.
const RAREST: Duration = Duration::from_secs(60);

/// Vehicles inside, per central, car park and class, corrected. Car parks of the configuration are shown although nobody is inside.
pub(super) async fn now(reader: &Reader, lot: Option<&str>) -> Result<Occupancy, NoAnswer> {
    let counts = counted(reader).await?;
    let lots = reader.shared.lots();
    let places = counts.iter().filter(|(place, _)| lot.is_none_or(|l| place.lot.as_deref() == Some(l)));
    let places = places.map(|(place, _)| shown(place, &counts, &lots)).collect();
    Ok(Occupancy { as_of: reader.shared.view().time(kit::clock::now_ms()), places })
}

async fn counted(reader: &Reader) -> Result<Counts, NoAnswer> {
    let mut conn = reader.pool.acquire().await?;
    let mut counts = projection::inside(&mut conn).await?;
    register(&mut conn).await?.correct(&mut counts);
    drop(conn);
    for place in known(reader, &reader.shared.lots()) {
        counts.at(place);
    }
    Ok(counts)
}

/// Tells the metric, again and again; the tables are there.
pub(crate) async fn tell(reader: Reader, token: CancellationToken) {
    let gauge = kit::meter(kit::Role::Ledger)
        .i64_gauge("parkmesh_ledger_inside")
        .with_description("Vehicles inside that entered here, corrected, by car park and class")
        .build();
    // A place that is empty by now is told once more, as 0.
    let mut told: BTreeSet<Place> = BTreeSet::new();
    loop {
        let began = Instant::now();
        match counted(&reader).await {
            Ok(counts) => {
                let here = reader.shared.central.to_string();
                told.extend(counts.iter().map(|(place, _)| place.clone()).filter(|p| p.central == here));
                for place in &told {
                    let lot = place.lot.clone().unwrap_or_default();
                    let labels = [KeyValue::new("lot", lot), KeyValue::new("class", place.class.clone())];
                    gauge.record(counts.of(place).inside(), &labels);
                }
            }
            Err(_) => tracing::debug!("vehicles inside could not be counted"),
        }
        let pause = (began.elapsed() * PART).clamp(LOOK, RAREST);
        if token.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

/// Classes with a rule in the car parks that this central's lanes serve.
fn known(reader: &Reader, lots: &[LotRule]) -> BTreeSet<Place> {
    let config = reader.shared.config.current();
    let mut places = BTreeSet::new();
    for edge in &config.this_central.edges {
        let Some(rule) = lots.iter().find(|r| Some(&r.id) == edge.lot_id.as_ref()) else { continue };
        // A lane may be told of any class, its own or not.
        for class in rule.capacity.keys().chain(&rule.closed) {
            let (central, lot) = (reader.shared.central.to_string(), edge.lot_id.clone());
            places.insert(Place { central, lot, class: class.clone() });
        }
    }
    places
}

fn shown(place: &Place, counts: &Counts, lots: &[LotRule]) -> PlaceOccupancy {
    let count = counts.of(place);
    let rule = lots.iter().find(|rule| Some(&rule.id) == place.lot.as_ref());
    let state = rule.map_or("open", |r| r.state(&place.class, counts.in_lot(&r.id, &place.class)));
    PlaceOccupancy {
        central: place.central.clone(),
        lot_id: place.lot.clone(),
        vehicle_class: place.class.clone(),
        inside: count.inside(),
        pending: count.pending,
        passages: count.passages,
        corrected: count.corrected,
        capacity: rule.and_then(|r| r.capacity.get(&place.class).copied()),
        state: state.to_owned(),
    }
}

/// Corrections, newest first.
pub(super) async fn corrections(
    reader: &Reader,
    limit: u32,
    after: Option<&str>,
) -> Result<OccupancyCorrections, NoAnswer> {
    let behind = after.map(cursor::read).transpose()?;
    let mut conn = reader.pool.acquire().await?;
    let register = register(&mut conn).await?;
    drop(conn);
    let view = reader.shared.view();
    let mut all: Vec<(i64, OccupancyCorrectionView)> =
        register.corrections().map(|c| (c.at, view.occupancy_correction(&c.said, c.into()))).collect();
    all.sort_unstable_by(|a, b| (b.0, &b.1.id).cmp(&(a.0, &a.1.id)));
    if let Some((at, id)) = behind {
        all.retain(|(t, c)| (*t, &c.id) < (at, &id));
    }
    let limit = limit.clamp(1, 500) as usize;
    let next_cursor =
        (all.len() > limit).then(|| all.get(limit - 1).map(|(at, c)| cursor::write(*at, &c.id))).flatten();
    all.truncate(limit);
    Ok(OccupancyCorrections { items: all.into_iter().map(|(_, c)| c).collect(), next_cursor })
}
