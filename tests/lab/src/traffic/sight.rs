//! Who has seen which event: fed by the event streams of all centrals.
//!
//! A central names an event's session once it holds the session's opening. During restarts and cuts a passage often comes before its
//! opening, and a stream shows it once, without the session: such an event is known by its position in the log, which is the same
//! everywhere, from the central that could name it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::api::Api;

/// An event as a client can name it: its kind and the session's id.
pub(crate) type Key = (String, String);

/// An event that a stream showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sight {
    position: String,
    kind: String,
    event_id: Option<String>,
}

/// Events that one central showed at one moment.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) central: usize,
    pub(crate) at: Instant,
    pub(crate) events: Vec<Sight>,
}

/// Who has shown an event, and what it was called by them.
#[derive(Debug, Default)]
struct Place {
    shown: Vec<(usize, Instant)>,
    names: Vec<Key>,
}

/// Where an event has been seen.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    centrals: u32,
    last: Option<Instant>,
}

/// What all centrals have shown so far.
#[derive(Debug, Default)]
pub(crate) struct Sightings {
    seen: HashMap<Key, Seen>,
    /// By position.
    places: HashMap<String, Place>,
}

impl Sightings {
    pub(crate) fn note(&mut self, shown: Shown) {
        for event in shown.events {
            let place = self.places.entry(event.position).or_default();
            let is_new_here = !place.shown.iter().any(|(central, _)| *central == shown.central);
            if is_new_here {
                place.shown.push((shown.central, shown.at));
                for name in &place.names {
                    mark(&mut self.seen, name, shown.central, shown.at);
                }
            }
            if let Some(event_id) = event.event_id {
                let name = (event.kind, event_id);
                if !place.names.contains(&name) {
                    for (central, at) in &place.shown {
                        mark(&mut self.seen, &name, *central, *at);
                    }
                    place.names.push(name);
                }
            }
        }
    }

    pub(crate) fn mark(&mut self, event: &Key, central: usize, at: Instant) {
        mark(&mut self.seen, event, central, at);
    }

    /// When the last of so many centrals had it; `None` while one has not.
    pub(crate) fn everywhere(&self, event: &Key, centrals: usize) -> Option<Instant> {
        let seen = self.seen.get(event)?;
        (seen.centrals.count_ones() as usize >= centrals).then_some(seen.last).flatten()
    }

    /// Whether a central has it.
    pub(crate) fn at(&self, event: &Key, central: usize) -> bool {
        self.seen.get(event).is_some_and(|seen| seen.centrals & (1 << central) != 0)
    }
}

/// A stream that resumes may show an event again; the first time counts.
fn mark(all: &mut HashMap<Key, Seen>, event: &Key, central: usize, at: Instant) {
    if !all.contains_key(event) {
        all.insert(event.clone(), Seen::default());
    }
    let bit = 1 << central;
    if let Some(seen) = all.get_mut(event).filter(|seen| seen.centrals & bit == 0) {
        seen.centrals |= bit;
        seen.last = seen.last.max(Some(at));
    }
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    position: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    event_id: Option<std::borrow::Cow<'a, str>>,
}

/// Follows one central's stream for ever, resuming where it broke.
pub(crate) async fn follow(
    api: Api,
    central: usize,
    connected: mpsc::Sender<usize>,
    to: mpsc::Sender<Shown>,
) {
    let mut last_id: Option<String> = None;
    loop {
        // The client's time-out is for whole answers; a stream has no end.
        let mut request = api
            .request(reqwest::Method::GET, "/api/parking/stream")
            .header("Accept", "text/event-stream")
            .timeout(Duration::from_secs(24 * 3600));
        if let Some(id) = &last_id {
            request = request.header("Last-Event-ID", id);
        }
        if let Ok(response) = request.send().await
            && response.status().is_success()
        {
            // Only the beginning of the run waits for it.
            let _ = connected.try_send(central);
            let mut parser = Parser::default();
            let mut chunks = response.bytes_stream();
            while let Some(Ok(chunk)) = chunks.next().await {
                let at = Instant::now();
                let events = parser.feed(&chunk, &mut last_id);
                if !events.is_empty() && to.send(Shown { central, at, events }).await.is_err() {
                    return;
                }
            }
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Server-sent events, as far as needed: `id`, `event`, `data` of one line.
#[derive(Debug, Default)]
struct Parser {
    rest: Vec<u8>,
    id: Option<String>,
    kind: String,
    data: Option<String>,
}

impl Parser {
    /// `last_id` follows what was read to its end: a stream that breaks within an event resumes before it.
    fn feed(&mut self, chunk: &[u8], last_id: &mut Option<String>) -> Vec<Sight> {
        self.rest.extend_from_slice(chunk);
        let mut found = Vec::new();
        let mut lines = std::mem::take(&mut self.rest);
        let whole = lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.rest = lines.split_off(whole);
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let text = |prefix: &[u8]| {
                let value = line.strip_prefix(prefix)?;
                std::str::from_utf8(value.strip_prefix(b" ").unwrap_or(value)).ok()
            };
            if let Some(id) = text(b"id:") {
                self.id = Some(id.to_owned());
            } else if let Some(kind) = text(b"event:") {
                kind.clone_into(&mut self.kind);
            } else if let Some(data) = text(b"data:") {
                self.data = Some(data.to_owned());
            } else if line.is_empty() {
                if let Some(id) = self.id.take() {
                    *last_id = Some(id);
                }
                let (kind, data) = (std::mem::take(&mut self.kind), self.data.take());
                found.extend(data.and_then(|data| sight(kind, &data)));
            }
        }
        found
    }
}

/// An event of the log; a stream has others too.
fn sight(kind: String, data: &str) -> Option<Sight> {
    let data: Data<'_> = serde_json::from_str(data).ok().filter(|_| kind != "reset")?;
    let event_id = data.event_id.map(std::borrow::Cow::into_owned);
    Some(Sight { position: data.position.into_owned(), kind, event_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(position: &str, kind: &str, event_id: Option<&str>) -> Sight {
        Sight { position: position.to_owned(), kind: kind.to_owned(), event_id: event_id.map(str::to_owned) }
    }

    #[test]
    fn events_are_found_however_the_bytes_are_cut() {
        let stream = b"id: 7\nevent: VEHICLE_EXIT\ndata: {\"position\":\"x/1\",\"event_id\":\"a\",\"fee\":1}\n\n: beat\n\n\
            id: 8\nevent: VEHICLE_ENTRY_PENDING\ndata: {\"position\":\"x/2\",\"event_id\":null}\n\n\
            id: 9\nevent: reset\ndata: {\"position\":\"9\"}\n\n";
        for size in 1..stream.len() {
            let (mut parser, mut last) = (Parser::default(), None);
            let found: Vec<Sight> =
                stream.chunks(size).flat_map(|chunk| parser.feed(chunk, &mut last)).collect();
            let wanted = [seen("x/1", "VEHICLE_EXIT", Some("a")), seen("x/2", "VEHICLE_ENTRY_PENDING", None)];
            assert_eq!(found, wanted, "{size}");
            assert_eq!(last.as_deref(), Some("9"));
        }
    }

    #[test]
    fn a_stream_that_breaks_within_an_event_resumes_before_it() {
        let (mut parser, mut last) = (Parser::default(), None);
        parser.feed(b"id: 7\nevent: E\ndata: {\"position\":\"x/1\"}\n\nid: 8\nevent: E\n", &mut last);
        assert_eq!(last.as_deref(), Some("7"));
    }

    #[test]
    fn an_event_whose_session_a_central_cannot_name_yet_is_known_by_its_position() {
        let (event, begun) = (("VEHICLE_EXIT".to_owned(), "a".to_owned()), Instant::now());
        let (nameless, named) = (seen("x/1", "VEHICLE_EXIT", None), seen("x/1", "VEHICLE_EXIT", Some("a")));
        let later = begun + Duration::from_millis(5);
        for [first, second] in [[&nameless, &named], [&named, &nameless]] {
            let mut sightings = Sightings::default();
            sightings.note(Shown { central: 0, at: begun, events: vec![first.clone()] });
            assert_eq!(sightings.everywhere(&event, 2), None);
            sightings.note(Shown { central: 1, at: later, events: vec![second.clone()] });
            assert_eq!(sightings.everywhere(&event, 2), Some(later));
        }
    }

    #[test]
    fn everywhere_means_every_central_and_the_last_moment() {
        let mut sightings = Sightings::default();
        let event = ("VEHICLE_EXIT".to_owned(), "a".to_owned());
        let begun = Instant::now();
        sightings.mark(&event, 0, begun);
        assert!(sightings.everywhere(&event, 2).is_none());
        sightings.mark(&event, 1, begun + Duration::from_millis(5));
        sightings.mark(&event, 0, begun + Duration::from_millis(9));
        assert_eq!(sightings.everywhere(&event, 2), Some(begun + Duration::from_millis(5)));
    }
}
