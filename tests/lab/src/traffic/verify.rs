//! After the traffic: is everything everywhere, and is it true?

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures_util::future::join_all;
use jiff::SignedDuration;
use tokio::time::{sleep, timeout};

use super::cars::{Car, Whereabouts};
use super::report::{Report, percentiles};
use super::run::{Acknowledged, Traffic};
use super::{Gone, TrafficOptions};
use crate::api::{Api, Page, Session};
use crate::destroyed::Destroyed;
use crate::lab_file::{CentralEntry, LabFile};
use crate::scenario::equal_digests;

/// How long everything acknowledged may take to be everywhere.
const PATIENCE: Duration = Duration::from_secs(60);
/// Cars enter late by up to five hours.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(6);

/// What one central says about our cars, by plate key.
type History = HashMap<String, Vec<Session>>;

/// Waits until everything is everywhere or the patience is over, and judges.
pub(crate) async fn settle(
    file: &LabFile,
    mut traffic: Traffic,
    options: TrafficOptions,
    gone: Gone<'_>,
    progress: &impl Fn(&str),
) -> Result<Report> {
    let begun = Instant::now();
    let http = Api::http(Duration::from_secs(10))?;
    progress("everything is sent; waiting until it is everywhere");
    watch_streams(file, &mut traffic).await;
    let histories = loop {
        let histories = ask_all(file, &http, &traffic).await;
        mark_found(&mut traffic, &histories);
        excuse(&mut traffic, &gone()?, &histories);
        let missing = missing(file, &traffic);
        if missing == 0 && histories.iter().all(Option::is_some) || begun.elapsed() >= PATIENCE {
            break histories;
        }
        progress(&format!("{missing} acknowledged events are not yet everywhere"));
        sleep(Duration::from_millis(500)).await;
    };
    let digest = loop {
        let digest = equal_digests(file, &http).await;
        if digest.is_ok() || begun.elapsed() >= PATIENCE {
            break digest;
        }
        sleep(Duration::from_millis(200)).await;
    };
    // A last look: what the centrals agree on, not what they held while they still caught up.
    let histories = if digest.is_ok() { histories } else { ask_all(file, &http, &traffic).await };
    traffic.streams.abort_all();
    let settled = begun.elapsed();
    Ok(judge(file, traffic, options, &histories, digest.err().map(|error| format!("{error:#}")), settled))
}

/// Forgets what only a destroyed disk held and no central shows: its cars' whereabouts are unknown. What one central still shows
/// all must show.
fn excuse(traffic: &mut Traffic, gone: &BTreeSet<Destroyed>, histories: &[Option<History>]) {
    // Streams showed what was there before; only what every central's history says now counts.
    let told: Vec<&History> = histories.iter().flatten().collect();
    if gone.is_empty() || told.len() < histories.len() {
        return;
    }
    let cars = &traffic.cars;
    let shown = |event: &Acknowledged| told.iter().any(|history| proves(history, event, cars));
    let (lost, kept): (Vec<_>, Vec<_>) =
        std::mem::take(&mut traffic.acknowledged).into_iter().partition(|event| {
            let (kind, event_id) = event.key.clone();
            gone.contains(&Destroyed { kind, event_id }) && !shown(event)
        });
    traffic.acknowledged = kept;
    traffic.destroyed += lost.len();
    for event in lost {
        if let Some(car) = traffic.cars.get_mut(event.car) {
            car.unsure = true;
        }
    }
}

/// Reads on while the streams still bring something new that is missing.
async fn watch_streams(file: &LabFile, traffic: &mut Traffic) {
    while missing(file, traffic) > 0 {
        let Ok(Some(shown)) = timeout(Duration::from_secs(1), traffic.shown.recv()).await else { return };
        traffic.sightings.note(shown);
        // All that has come is taken before all events are looked through again.
        while let Ok(shown) = traffic.shown.try_recv() {
            traffic.sightings.note(shown);
        }
    }
}

fn missing(file: &LabFile, traffic: &Traffic) -> usize {
    let centrals = file.centrals.len();
    let events = traffic.acknowledged.iter();
    events.filter(|event| traffic.sightings.everywhere(&event.key, centrals).is_none()).count()
}

async fn ask_all(file: &LabFile, http: &reqwest::Client, traffic: &Traffic) -> Vec<Option<History>> {
    let asked = file.centrals.iter().map(|central| async { ask(file, central, http, traffic).await.ok() });
    join_all(asked).await
}

/// Reads all of a central's history since the run began, page by page, and keeps our cars.
async fn ask(
    file: &LabFile,
    central: &CentralEntry,
    http: &reqwest::Client,
    traffic: &Traffic,
) -> Result<History> {
    let api = Api::new(http.clone(), central.gateway.clone(), file.admin_token.clone());
    let mut history: History = traffic.cars.iter().map(|car| (car.key.clone(), Vec::new())).collect();
    let from = traffic.began_at - LOOK_BACK;
    let mut cursor: Option<String> = None;
    loop {
        let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let path = format!("/api/parking/history?limit=500&from={from}{after}");
        let page: Page =
            serde_json::from_value(api.get(&path).await?.ok()?).context("history is not as agreed")?;
        for session in page.items {
            let sessions = session.plate_key.as_ref().and_then(|key| history.get_mut(key));
            if let Some(sessions) = sessions {
                sessions.push(session);
            }
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(history);
        }
    }
}

/// Marks what history proves although a stream did not show it.
fn mark_found(traffic: &mut Traffic, histories: &[Option<History>]) {
    let now = Instant::now();
    for (central, history) in histories.iter().enumerate() {
        let Some(history) = history else { continue };
        for event in &traffic.acknowledged {
            if !traffic.sightings.at(&event.key, central) && proves(history, event, &traffic.cars) {
                traffic.sightings.mark(&event.key, central, now);
            }
        }
    }
}

fn proves(history: &History, event: &Acknowledged, cars: &[Car]) -> bool {
    let (kind, event_id) = &event.key;
    let sessions = cars.get(event.car).and_then(|car| history.get(&car.key));
    let session = sessions.into_iter().flatten().find(|session| session.event_id == *event_id);
    session.is_some_and(|session| match kind.as_str() {
        "VEHICLE_ENTRY_CONFIRMED" => session.status != "PENDING",
        "VEHICLE_ENTRY_ABANDONED" => session.status == "ABANDONED",
        "VEHICLE_EXIT" | "VEHICLE_EXIT_CONFIRMED" => session.status == "EXITED",
        _ => true,
    })
}

fn judge(
    file: &LabFile,
    traffic: Traffic,
    options: TrafficOptions,
    histories: &[Option<History>],
    digests_differ: Option<String>,
    settled: Duration,
) -> Report {
    let centrals = file.centrals.len();
    let acknowledged = traffic.acknowledged.len();
    let lost = missing(file, &traffic);
    // What is missing comes first: no other complaint is worse.
    let mut wrong = Vec::new();
    for event in traffic.acknowledged.iter().filter(|_| lost > 0) {
        let without: Vec<String> = (0..centrals)
            .filter(|central| !traffic.sightings.at(&event.key, *central))
            .map(|central| format!("central-{}", central + 1))
            .collect();
        if !without.is_empty() {
            let sessions = traffic.cars.get(event.car).zip(histories.first().and_then(Option::as_ref));
            let sessions = sessions.and_then(|(car, history)| history.get(&car.key));
            wrong.push(format!(
                "{} {} is not on {}; central-1 has of its car: {}",
                event.key.0,
                event.key.1,
                without.join(", "),
                shown(sessions.map(Vec::as_slice).unwrap_or_default()).join(", ")
            ));
        }
    }
    wrong.extend(traffic.wrong.iter().cloned());
    let mut doubled = 0;
    for (central, history) in histories.iter().enumerate() {
        match history {
            None => wrong.push(format!("central-{} does not tell its history", central + 1)),
            Some(history) => {
                let (found, twice) = untrue(&traffic.cars, history);
                doubled = doubled.max(twice);
                wrong.extend(found.into_iter().map(|what| format!("central-{}: {what}", central + 1)));
            }
        }
    }
    let fees_answered = traffic.cars.iter().filter(|car| !car.unsure).filter_map(|car| car.fee).sum();
    // Without streams nobody saw when: what was asked at the end is no time.
    let (visible, posts) = latencies(&traffic, centrals);
    let visible = if options.watch { visible } else { Vec::new() };
    let (p50_ms, p99_ms, max_ms) = percentiles(visible);
    let (post_p50_ms, post_p99_ms, _) = percentiles(posts);
    Report {
        rate: options.rate,
        seconds: options.seconds,
        seed: options.seed,
        centrals,
        cars: traffic.cars.len(),
        sent: traffic.counts.sent,
        attempts: traffic.counts.attempts,
        acknowledged,
        destroyed: traffic.destroyed,
        refused: traffic.counts.refused.values().sum(),
        not_recorded: traffic.counts.not_recorded,
        maybe: traffic.counts.maybe,
        visible_everywhere: acknowledged - lost,
        lost,
        doubled,
        p50_ms,
        p99_ms,
        max_ms,
        post_p50_ms,
        post_p99_ms,
        fees_answered,
        settled_s: settled.as_secs_f64(),
        digests_equal: digests_differ.is_none(),
        truth_ok: wrong.is_empty(),
        refusals: traffic.counts.refused,
        unanswered: traffic.counts.unanswered,
        wrong: wrong.into_iter().chain(digests_differ).collect(),
    }
}

/// From POST to visible on the last central, and from POST to its answer; ms.
fn latencies(traffic: &Traffic, centrals: usize) -> (Vec<f64>, Vec<f64>) {
    let ms = |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f64() * 1000.0;
    let first = || traffic.acknowledged.iter().filter(|event| event.first_attempt);
    let visible = first()
        .filter_map(|event| Some(ms(event.sent, traffic.sightings.everywhere(&event.key, centrals)?)))
        .collect();
    (visible, first().map(|event| ms(event.sent, event.answered)).collect())
}

/// Sessions, for people.
fn shown(sessions: &[Session]) -> Vec<String> {
    let one = |session: &Session| format!("{} {} fee {:?}", session.event_id, session.status, session.fee);
    sessions.iter().map(one).collect()
}

/// What one central says that is not true, and how many cars it has twice.
fn untrue(cars: &[Car], history: &History) -> (Vec<String>, usize) {
    let mut wrong = Vec::new();
    let mut doubled = 0;
    let (mut fees_answered, mut fees_shown) = (0, 0);
    for car in cars.iter().filter(|car| !car.unsure) {
        let sessions = history.get(&car.key).map(Vec::as_slice).unwrap_or_default();
        let open =
            sessions.iter().filter(|session| matches!(session.status.as_str(), "INSIDE" | "PENDING")).count();
        let exited = sessions.iter().filter(|session| session.status == "EXITED").count();
        fees_answered += car.fee.unwrap_or_default();
        fees_shown += sessions.iter().filter_map(|session| session.fee).sum::<i64>();
        doubled += usize::from(open + exited > 1);
        let right = match car.whereabouts {
            Whereabouts::Outside => open == 0 && exited == 0,
            // Nobody closed the barrier behind it: after 90 s the entry counts as abandoned.
            Whereabouts::AtEntry => open <= 1 && exited == 0 && !sessions.is_empty(),
            Whereabouts::Inside => open == 1 && exited == 0,
            Whereabouts::AtExit | Whereabouts::Left => {
                let own = sessions.iter().find(|session| Some(&session.event_id) == car.event_id.as_ref());
                open == 0 && exited == 1 && own.is_some_and(|session| session.fee == car.fee)
            }
            Whereabouts::BackedOut => open == 0 && exited == 0,
        };
        if !right {
            let shown = shown(sessions);
            wrong.push(format!("a car {:?}, told to pay {:?}, shows as {shown:?}", car.whereabouts, car.fee));
        }
    }
    if fees_answered != fees_shown {
        wrong.push(format!("fees answered {fees_answered}, in history {fees_shown}"));
    }
    (wrong, doubled)
}
