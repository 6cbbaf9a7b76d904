//! Who is inside, counted from the rows.

use parking::rights::{Counts, Place};
use sqlx::{PgConnection, Row};

use super::StoreError;

/// Vehicles inside, per central they entered at, car park and class.
pub async fn inside(conn: &mut PgConnection) -> Result<Counts, StoreError> {
    let rows = sqlx::query(
        "select source_central, lot_id, vehicle_class, count(*) filter (where status = 'INSIDE'),
                count(*) filter (where status = 'PENDING')
         from history where status in ('PENDING', 'INSIDE') group by 1, 2, 3",
    )
    .fetch_all(conn)
    .await?;
    let mut counts = Counts::default();
    for r in rows {
        let place = Place { central: r.try_get(0)?, lot: r.try_get(1)?, class: r.try_get(2)? };
        let count = counts.at(place);
        (count.passages, count.pending) = (r.try_get(3)?, r.try_get(4)?);
    }
    Ok(counts)
}
