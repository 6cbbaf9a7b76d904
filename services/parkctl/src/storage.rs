//! `parkctl storage`: the disk of a central, and what peers still need of it.

use std::process::ExitCode;

use crate::ask::{Central, get, items, text};
use crate::output;

/// Fewer days than this are a failure.
const SHORT_DAYS: f64 = 30.0;

/// Shows it; exit 1 with less than 30 days left.
pub(crate) async fn show(central: &Central) -> anyhow::Result<ExitCode> {
    let s = get(central, "/api/v1/p2p/storage", &[]).await?;
    central.show(&s, || {
        let (disk, spread) = (&s["disk"], &s["spread"]);
        output::line(&format!(
            "database {} bytes of {}  days left {}  {} events/day at {} bytes  {} days in the long run: {} bytes",
            text(&disk["database_bytes"]),
            text(&disk["budget_bytes"]),
            text(&disk["days_left"]),
            text(&disk["events_per_day"]),
            text(&disk["bytes_per_event"]),
            text(&disk["keep_days"]),
            text(&disk["long_run_bytes"])
        ));
        for m in items(disk, "months") {
            output::line(&format!(
                "  {:<8} {:>12} events {:>14} bytes {:>14} indexes",
                text(&m["month"]),
                text(&m["events"]),
                text(&m["bytes"]),
                text(&m["index_bytes"])
            ));
        }
        output::line(&format!(
            "not everywhere yet: {} events, oldest {}",
            text(&spread["not_everywhere"]),
            text(&spread["oldest"])
        ));
        for p in items(spread, "peers") {
            output::line(&format!(
                "  {:<16} lacks {:>10}  oldest {}",
                text(&p["peer_central_id"]),
                text(&p["lacks"]),
                text(&p["oldest_lacked"])
            ));
        }
    });
    let short = s["disk"]["days_left"].as_f64().is_some_and(|d| d < SHORT_DAYS);
    Ok(if short { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
