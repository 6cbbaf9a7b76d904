//! The story that must always work, told step by step: a car enters at one central, leaves at another,
//! and everybody knows.

use std::fmt::Display;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::api::{Api, Session};
use crate::lab_file::{CentralEntry, EdgeEntry, LabFile};
use crate::ready::until;
use crate::topology::Direction;
use crate::{clock, output};

/// What the built-in table for cars takes for one hour.
const FEE: i64 = 25_000;
/// How long an event may take to be everywhere before the story has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// The centrals of the story.
struct Story<'a> {
    file: &'a LabFile,
    http: reqwest::Client,
    plate: String,
}

/// Tells the story on a running lab.
///
/// # Errors
/// The first thing that is not as it should be.
pub async fn tell(file: &LabFile) -> Result<()> {
    let story = Story { file, http: Api::http(Duration::from_secs(10))?, plate: fresh_plate() };
    story.tell().await.inspect_err(|_| output::line("FAILED"))
}

impl Story<'_> {
    async fn tell(&self) -> Result<()> {
        let count = self.file.centrals.len();
        let first = self.file.centrals.first().context("a lab has a central")?;
        let exit_central =
            self.file.centrals.get(4).or(self.file.centrals.last()).context("a lab has a central")?;
        let entry_lane = first.lane(Direction::Entry)?;
        let exit_lane = exit_central.edges.last().context("a central has lanes")?;
        output::line(format!("a car, {}, one hour in {count} centrals", self.plate));

        let entered_at = clock::now() - SignedDuration::from_hours(1);
        let event_id = self.enter(first, entry_lane, entered_at).await?;
        self.pass(first, entry_lane, &event_id, entered_at + SignedDuration::from_secs(8), "CONFIRMED")
            .await?;
        self.everywhere("inside", |session| session.status == "INSIDE").await?;
        self.leave(exit_central, exit_lane, &event_id).await?;
        let exit_id = exit_central.id.to_string();
        self.pass(exit_central, exit_lane, &event_id, clock::now(), "EXIT_CONFIRMED").await?;
        self.check_history(first, &exit_id, &event_id).await?;
        self.check_digests().await?;
        output::line("all agree");
        Ok(())
    }

    async fn enter(&self, at: &CentralEntry, lane: &EdgeEntry, when: Timestamp) -> Result<String> {
        let begun = Instant::now();
        let decision = self.open(at, lane, when).await.context("the entry")?;
        let event_id = text(&decision, "event_id")?;
        // Told an hour late: recorded, but no barrier opens for a car that has long been inside.
        expect(&decision, "kind", "ENTRY")?;
        expect(&decision, "recorded", true)?;
        expect(&decision, "barrier", "keep_closed")?;
        step(&format!("enters at {} {}: {event_id}", at.id, lane.id), begun);
        self.visible_everywhere(begun, |session| session.event_id == event_id).await?;
        Ok(event_id)
    }

    async fn leave(&self, at: &CentralEntry, lane: &EdgeEntry, event_id: &str) -> Result<()> {
        let begun = Instant::now();
        let decision = self.open(at, lane, clock::now()).await.context("the exit")?;
        expect(&decision, "kind", "EXIT")?;
        expect(&decision, "decision", "open")?;
        expect(&decision, "barrier", "open")?;
        expect(&decision, "fee", FEE)?;
        expect(&decision, "event_id", event_id)?;
        step(&format!("leaves at {} {}: {FEE} đ, the barrier opens", at.id, lane.id), begun);
        let exit_central = at.id.to_string();
        self.visible_everywhere(begun, |session| {
            session.event_id == event_id
                && session.status == "EXITED"
                && session.fee == Some(FEE)
                && session.exit_central.as_deref() == Some(exit_central.as_str())
        })
        .await
    }

    async fn open(&self, at: &CentralEntry, lane: &EdgeEntry, when: Timestamp) -> Result<Value> {
        let body = json!({
            "edge_id": lane.id,
            "plate": self.plate,
            "confidence": 0.97,
            "captured_at": when.to_string(),
            "sent_at": clock::now().to_string(),
        });
        let key = crate::settings::random_hex(16);
        self.lane(at, lane).post("/api/edge/barrier/open", Some(&key), &body).await?.ok()
    }

    async fn pass(
        &self,
        at: &CentralEntry,
        lane: &EdgeEntry,
        event_id: &str,
        when: Timestamp,
        kind: &str,
    ) -> Result<()> {
        let begun = Instant::now();
        let body = json!({
            "edge_id": lane.id,
            "event_id": event_id,
            "passed": true,
            "captured_at": when.to_string(),
            "sent_at": clock::now().to_string(),
        });
        let answer = self.lane(at, lane).post("/api/edge/barrier/close", None, &body).await?.ok();
        expect(&answer.context("closing the barrier")?, "kind", kind)?;
        step(&format!("has passed {}: {kind}", lane.id), begun);
        Ok(())
    }

    /// Waits until a session that fits is on every central, and says when the last one had it.
    async fn visible_everywhere(&self, begun: Instant, fits: impl Fn(&Session) -> bool) -> Result<()> {
        let last = self.wait_everywhere(&fits).await?;
        let count = self.file.centrals.len();
        step(&format!("known to all {count} centrals, last to {last}"), begun);
        Ok(())
    }

    async fn everywhere(&self, what: &str, fits: impl Fn(&Session) -> bool) -> Result<()> {
        let begun = Instant::now();
        self.wait_everywhere(&fits).await?;
        step(&format!("{what} for all"), begun);
        Ok(())
    }

    async fn wait_everywhere(&self, fits: &impl Fn(&Session) -> bool) -> Result<String> {
        let waits = self.file.centrals.iter().map(|central| async move {
            let api = self.admin(central);
            until(PATIENCE, || async {
                let sessions = api.history(&self.plate).await?;
                ensure!(sessions.iter().any(fits), "{} still shows {sessions:?}", central.id);
                Ok(())
            })
            .await?;
            Ok::<_, anyhow::Error>((Instant::now(), central.id.to_string()))
        });
        let seen = try_join_all(waits).await?;
        seen.into_iter().max().map(|(_, central)| central).context("a lab has a central")
    }

    async fn check_history(&self, source: &CentralEntry, exit_central: &str, event_id: &str) -> Result<()> {
        let begun = Instant::now();
        for central in &self.file.centrals {
            let sessions = self.admin(central).history(&self.plate).await?;
            let [session] = sessions.as_slice() else {
                bail!("{} shows {} sessions of the plate instead of one", central.id, sessions.len());
            };
            let origin = if central.id == source.id { "LOCAL" } else { "SYNCED" };
            let source = source.id.to_string();
            let right = session.event_id == event_id
                && session.source_central == source
                && session.exit_central.as_deref() == Some(exit_central)
                && session.fee == Some(FEE)
                && session.status == "EXITED"
                && session.sync_status == origin;
            ensure!(
                right,
                "{} should show {source} → {exit_central}, {FEE}, {origin}: {session:?}",
                central.id
            );
        }
        let count = self.file.centrals.len();
        step(
            &format!("the same history on {count} centrals, LOCAL at {}, SYNCED elsewhere", source.id),
            begun,
        );
        Ok(())
    }

    async fn check_digests(&self) -> Result<()> {
        let begun = Instant::now();
        let digest = until(PATIENCE, || async { equal_digests(self.file, &self.http).await }).await?;
        step(&format!("equal digests {}…", digest.get(..12).unwrap_or(&digest)), begun);
        Ok(())
    }

    fn lane(&self, central: &CentralEntry, lane: &EdgeEntry) -> Api {
        Api::new(self.http.clone(), central.gateway.clone(), lane.api_key.clone())
    }

    fn admin(&self, central: &CentralEntry) -> Api {
        Api::new(self.http.clone(), central.gateway.clone(), self.file.admin_token.clone())
    }
}

/// The digest all centrals show.
///
/// # Errors
/// Who does not answer or shows another.
pub async fn equal_digests(file: &LabFile, http: &reqwest::Client) -> Result<String> {
    let asked = file.centrals.iter().map(|central| async move {
        let api = Api::new(http.clone(), central.gateway.clone(), file.admin_token.clone());
        let digest = api.status().await?.digest;
        digest.with_context(|| format!("{} shows no digest", central.id))
    });
    let digests = try_join_all(asked).await?;
    let first = digests.first().cloned().unwrap_or_default();
    let others: Vec<String> = file
        .centrals
        .iter()
        .zip(&digests)
        .filter(|(_, digest)| **digest != first)
        .map(|(central, _)| central.id.to_string())
        .collect();
    ensure!(others.is_empty(), "other digests than central-1's on {}", others.join(", "));
    Ok(first)
}

fn step(what: &str, begun: Instant) {
    output::line(format!("  {what:<78} {:>9.1} ms", begun.elapsed().as_secs_f64() * 1000.0));
}

fn expect(body: &Value, field: &str, wanted: impl Into<Value> + Display) -> Result<()> {
    let wanted = wanted.into();
    let found = body.get(field).unwrap_or(&Value::Null);
    ensure!(*found == wanted, "{field} is {found} instead of {wanted} in {body}");
    Ok(())
}

fn text(body: &Value, field: &str) -> Result<String> {
    let found = body.get(field).and_then(Value::as_str);
    found.map(str::to_owned).with_context(|| format!("no {field} in {body}"))
}

/// A car's plate that no lab has seen yet, most likely.
fn fresh_plate() -> String {
    let number = rand::random_range(0..100_000);
    let (high, low) = (number / 100, number % 100);
    let letter = char::from(*b"ABCDEFGHKLMNPSTUVXYZ".get(rand::random_range(0..20)).unwrap_or(&b'A'));
    let province = rand::random_range(50..60);
    format!("{province}{letter}-{high:03}.{low:02}")
}
