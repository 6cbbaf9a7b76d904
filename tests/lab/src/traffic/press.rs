//! Pressure: whole lives of cars without pauses, each request as soon as the one before it is answered, or at a pace that heeds no answer.
//!
//! The client costs as little as it can, so that what is measured is the central: requests are written by hand on connections that
//! stay. Nothing is checked but that answers are as agreed; [`super::make`] knows the truth of cars.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use super::cars::plate_key;
use crate::clock;
use crate::lab_file::{CentralEntry, LabFile};
use crate::topology::Direction;

/// Nobody waits longer for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// A lane that was refused tries again after this, unless it has a pace.
const AGAIN: Duration = Duration::from_millis(5);

/// How to press.
#[derive(Debug, Clone, Copy)]
pub struct PressOptions {
    /// Connections, spread over the centrals; each lives one car after the other.
    pub clients: usize,
    /// For how long, in seconds.
    pub seconds: f64,
    /// Requests per second in all, whatever the answers do; `None` = each as soon as the one before is answered.
    pub rate: Option<f64>,
}

/// A request that is over.
#[derive(Debug, Clone, Copy)]
pub struct Answered {
    /// When it was due, from the beginning.
    pub due: Duration,
    /// From then to its answer.
    pub took: Duration,
    /// From when it was sent: later than when it was due, where the answer before it was waited for.
    pub waited: Duration,
    /// HTTP status; 0 when none came.
    pub status: u16,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Pressed {
    /// Every request, in no order.
    pub answers: Vec<Answered>,
    /// From the first request to the last answer, s.
    pub seconds: f64,
}

impl Pressed {
    /// Those with a 2xx status.
    pub fn accepted(&self) -> impl Iterator<Item = &Answered> {
        self.answers.iter().filter(|one| (200..300).contains(&one.status))
    }

    /// The others.
    pub fn refused(&self) -> impl Iterator<Item = &Answered> {
        self.answers.iter().filter(|one| !(200..300).contains(&one.status))
    }
}

/// Presses a running lab.
///
/// # Errors
/// When a central has no lanes, or nothing was answered at all.
pub async fn press(file: &LabFile, options: PressOptions) -> Result<Pressed> {
    ensure!(options.clients > 0 && options.seconds > 0.0, "somebody has to press for some time");
    let run = u64::try_from(clock::now().as_millisecond()).unwrap_or_default();
    // Eight numbers for each millisecond: the next run begins behind this one's plates.
    let plates = Arc::new(AtomicU64::new(run.wrapping_mul(8)));
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for number in 0..options.clients {
        let central = file.centrals.get(number % file.centrals.len().max(1)).context("no central")?;
        // Each client has its turn; together they keep the pace.
        let pace = options.rate.map(|rate| {
            let each = options.clients as f64 / rate;
            (Duration::from_secs_f64(number as f64 / rate), Duration::from_secs_f64(each))
        });
        let client = Client {
            lanes: Lanes::of(central, number / file.centrals.len().max(1))?,
            connection: None,
            plates: Arc::clone(&plates),
            key: format!("press-{run:x}-{number}"),
            requests: 0,
            answers: Vec::new(),
        };
        let end = begun + Duration::from_secs_f64(options.seconds);
        clients.spawn(client.run(begun, end, pace));
    }
    let mut pressed = Pressed::default();
    while let Some(answers) = clients.join_next().await {
        pressed.answers.extend(answers?);
    }
    pressed.seconds = begun.elapsed().as_secs_f64();
    ensure!(pressed.answers.iter().any(|one| one.status != 0), "the centrals answer nothing");
    Ok(pressed)
}

/// Two lanes of one central, with what the heads of their requests have in common.
struct Lanes {
    address: String,
    entry: Lane,
    exit: Lane,
}

struct Lane {
    edge: String,
    api_key: String,
}

impl Lanes {
    fn of(central: &CentralEntry, turn: usize) -> Result<Self> {
        let lane = |direction| {
            let lanes: Vec<_> = central.edges.iter().filter(|edge| edge.direction == direction).collect();
            let edge = lanes.get(turn % lanes.len().max(1)).context("a central without lanes")?;
            anyhow::Ok(Lane { edge: edge.id.clone(), api_key: edge.api_key.clone() })
        };
        let address = central.gateway.strip_prefix("http://").context("a lab is plain HTTP")?.to_owned();
        Ok(Self { address, entry: lane(Direction::Entry)?, exit: lane(Direction::Exit)? })
    }
}

struct Client {
    lanes: Lanes,
    connection: Option<Connection>,
    plates: Arc<AtomicU64>,
    key: String,
    requests: u64,
    answers: Vec<Answered>,
}

/// A car's life: in, through, out, through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Enter,
    PassEntry,
    Leave,
    PassExit,
}

#[derive(Deserialize)]
struct Opened {
    event_id: Option<String>,
}

impl Client {
    async fn run(
        mut self,
        begun: Instant,
        end: Instant,
        pace: Option<(Duration, Duration)>,
    ) -> Vec<Answered> {
        let mut due = begun + pace.map_or(Duration::ZERO, |(first, _)| first);
        let (mut step, mut plate, mut event_id) = (Step::Enter, String::new(), String::new());
        let mut fresh = true;
        loop {
            if pace.is_some() {
                sleep_until(due.into()).await;
            }
            let now = Instant::now();
            if now >= end || due >= end {
                return self.answers;
            }
            // A request that waits for the answer before it counts from when it was due; one the timer woke late does not.
            let behind =
                pace.is_some() && self.answers.last().is_some_and(|last| begun + last.due + last.took > due);
            let from = if behind { due } else { now };
            if fresh {
                self.requests += 1;
                if step == Step::Enter {
                    plate = plate_key(self.plates.fetch_add(1, Ordering::Relaxed));
                }
            }
            let (status, body) = self.ask(step, &plate, &event_id).await;
            let (took, waited) = (from.elapsed(), now.elapsed());
            self.answers.push(Answered { due: from - begun, took, waited, status });
            fresh = (200..300).contains(&status);
            if fresh {
                step = match step {
                    Step::Enter => {
                        let opened: Option<Opened> = serde_json::from_slice(&body).ok();
                        event_id = opened.and_then(|one| one.event_id).unwrap_or_default();
                        Step::PassEntry
                    }
                    Step::PassEntry => Step::Leave,
                    Step::Leave => Step::PassExit,
                    Step::PassExit => Step::Enter,
                };
            } else if matches!(status, 400..=428 | 430..=499) {
                // Nothing will become of this car.
                (step, fresh) = (Step::Enter, true);
            }
            match pace {
                Some((_, each)) => due += each,
                None if !fresh => tokio::time::sleep(AGAIN).await,
                None => {}
            }
        }
    }

    /// One attempt; the same key as long as it is the same request.
    async fn ask(&mut self, step: Step, plate: &str, event_id: &str) -> (u16, Vec<u8>) {
        let lane =
            if matches!(step, Step::Enter | Step::PassEntry) { &self.lanes.entry } else { &self.lanes.exit };
        let edge = &lane.edge;
        let (path, body) = match step {
            Step::Enter | Step::Leave => {
                ("open", format!(r#"{{"edge_id":"{edge}","plate":"{plate}","confidence":0.95}}"#))
            }
            Step::PassEntry | Step::PassExit => {
                ("close", format!(r#"{{"edge_id":"{edge}","event_id":"{event_id}","passed":true}}"#))
            }
        };
        let request = format!(
            "POST /api/v1/edge/barrier/{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Idempotency-Key: {}-{}\r\nContent-Length: {}\r\n\r\n{body}",
            self.lanes.address,
            lane.api_key,
            self.key,
            self.requests,
            body.len()
        );
        let answer = async {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => Connection::open(&self.lanes.address).await?,
            };
            let answer = connection.ask(request.as_bytes()).await?;
            // Whoever is refused may be hung up on; the next request finds out.
            self.connection = (!answer.closes).then_some(connection);
            anyhow::Ok((answer.status, answer.body))
        };
        match timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => (0, Vec::new()),
        }
    }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

struct Reply {
    status: u16,
    closes: bool,
    body: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    async fn ask(&mut self, request: &[u8]) -> Result<Reply> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if let Some((head, length)) = head(&self.buffer)?
                && let Some(body) = self.buffer.get(head.end..head.end + length)
            {
                return Ok(Reply { status: head.status, closes: head.closes, body: body.to_vec() });
            }
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "hung up on");
        }
    }
}

struct Head {
    status: u16,
    closes: bool,
    end: usize,
}

/// The head of an answer and its body's length, once the head is there.
fn head(bytes: &[u8]) -> Result<Option<(Head, usize)>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(bytes.get(..end).unwrap_or_default())?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("no status")?.parse()?;
    let (mut length, mut closes) = (0, false);
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse()?;
        } else if name.eq_ignore_ascii_case("connection") {
            closes = value.trim().eq_ignore_ascii_case("close");
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            anyhow::bail!("an answer in chunks");
        }
    }
    Ok(Some((Head { status, closes, end: end + 4 }, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_once_they_are_whole() {
        let answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
        for cut in 0..answer.len() - 2 {
            assert!(head(&answer[..cut]).unwrap().is_none() || cut >= answer.len() - 2, "{cut}");
        }
        let (head, length) = head(answer).unwrap().unwrap();
        assert_eq!((head.status, head.closes, head.end, length), (503, true, answer.len() - 2, 2));
    }
}
