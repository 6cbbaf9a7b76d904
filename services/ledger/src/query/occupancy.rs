//! `GET /api/parking/occupancy`

use sqlx::Row;
use wire::http::{Occupancy, PlaceOccupancy};

use super::{NoAnswer, Reader};

/// Vehicles inside, per central, car park and class.
pub(super) async fn now(reader: &Reader) -> Result<Occupancy, NoAnswer> {
    let rows = sqlx::query(
        "select source_central, lot_id, vehicle_class, count(*) filter (where status = 'INSIDE'),
                count(*) filter (where status = 'PENDING')
         from history where status in ('PENDING', 'INSIDE') group by 1, 2, 3 order by 1, 2, 3",
    )
    .fetch_all(&reader.pool)
    .await?;
    let mut places = Vec::with_capacity(rows.len());
    for r in rows {
        places.push(PlaceOccupancy {
            central: r.try_get(0)?,
            lot_id: r.try_get(1)?,
            vehicle_class: r.try_get(2)?,
            inside: r.try_get(3)?,
            pending: r.try_get(4)?,
        });
    }
    Ok(Occupancy { as_of: reader.shared.view().time(kit::clock::now_ms()), places })
}
