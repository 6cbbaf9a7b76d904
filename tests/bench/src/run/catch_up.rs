//! Catching up, one pair: a central that was away gets everything, against native logical replication of the same rows.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lab::CutMode;
use lab::Lab;
use lab::backfill::{BackfillOptions, bring_in};
use lab::process::Signal;
use lab::topology::{CentralId, Service, Target};

use super::{Context, eyes::Eyes, free_port};
use crate::native::Pair;
use crate::output;
use crate::report::{Goal, Row, Section, Side};

/// Rows of one transaction at the publisher: as many as a central stores of a page at once.
const IN_EACH: usize = 1000;
/// Events of the small catch-up.
const SMALL: u64 = 1000;
const LOOK: Duration = Duration::from_millis(5);

pub(crate) async fn run(cx: &Context) -> Result<Vec<Section>> {
    let lab = cx.lab("two", 2, |_| {}).await?;
    let mut pair = Pair::start(&cx.native(), [free_port()?, free_port()?]).await?;
    let mut eyes = Eyes::open(&lab.file()).await?;
    let (first, second) = (central(1)?, central(2)?);
    let (mut ours, mut theirs, mut made) = (Vec::new(), Vec::new(), Vec::new());
    let (mut our_start, mut their_start, mut wire) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=cx.size.backlog_rounds {
        output::progress(format!(
            "catching up: round {round} of {}, bringing history in",
            cx.size.backlog_rounds
        ));
        let away = Target { of: second.into(), service: Some(Service::Mesh) };
        lab.kill(away, &Signal::kill()).await?;
        let before = eyes.held_at(1).await?;
        history(&lab, first, cx.size.backlog, round as u64).await?;
        eyes.rows_made().await?;
        let all = eyes.held_at(0).await?;
        let missing = (all - before) as f64;
        let carried = lab.carried().bytes;
        output::progress("catching up: ours");
        let begun = Instant::now();
        // Ready is asked for beside it: the backlog flows as soon as the link is there.
        let start = lab.start_target(away);
        let watch = async {
            while eyes.held_at(1).await? <= before {
                tokio::time::sleep(LOOK).await;
            }
            let arrived = Instant::now();
            while eyes.held_at(1).await? < all {
                tokio::time::sleep(LOOK).await;
            }
            let stored = Instant::now();
            eyes.rows_made().await?;
            anyhow::Ok((arrived, stored, Instant::now()))
        };
        let (started, seen) = tokio::join!(start, tokio::time::timeout(Duration::from_secs(1200), watch));
        started?;
        let (arrived, stored, rows) = seen.context("it does not catch up")??;
        ours.push(missing / (stored - arrived).as_secs_f64());
        made.push(missing / (rows - arrived).as_secs_f64());
        our_start.push((arrived - begun).as_secs_f64() * 1000.0);
        wire.push((lab.carried().bytes - carried) as f64 / missing);

        output::progress("catching up: native logical replication");
        let rows = eyes.newest(0, cx.size.backlog).await?;
        let native = pair.catch_up(&rows, IN_EACH).await?;
        theirs.push(rows.len() as f64 / native.took.as_secs_f64());
        their_start.push(native.until_first.as_secs_f64() * 1000.0);
    }
    output::progress(format!("catching up: {SMALL} events"));
    let small = small(&lab, &mut eyes, first, second, cx.size.rounds).await?;

    let mut section =
        Section::new("catch-up", format!("Catch-up of {} events, one pair, durable", cx.size.backlog));
    let how = format!(
        "ours: central-2's mesh was away while central-1 got the events; from the first event stored to the last, polled every {} ms. \
         Each event is checked (hash, chain, position) and leads to rows of history, made later or meanwhile",
        LOOK.as_millis()
    );
    let their_how = format!(
        "theirs: the same rows of the event log with the same indexes, in transactions of {IN_EACH} at the publisher, subscription with \
         synchronous_commit = on, so that each is flushed; nothing checked, no history"
    );
    section.row(
        Row::new("events stored", "1/s", Side::new(how, ours))
            .against(Side::new(their_how, theirs.clone()))
            .goal(Goal::Ratio(1.0)),
    );
    section.row(
        Row::new("events stored and rows of history made", "1/s", Side::new("", made))
            .against(Side::new("", theirs)),
    );
    section.row(
        Row::new(
            "until the first event is there",
            "ms",
            Side::new("ours: with the start of the process that was away", our_start),
        )
        .against(Side::new("theirs: from `enable`", their_start)),
    );
    section.row(
        Row::new("bytes per event on the link, TLS included", "B", Side::new("", wire))
            .goal(Goal::AtMost(120.0)),
    );
    section.row(
        Row::new(
            format!("sync of {SMALL} events"),
            "ms",
            Side::new(
                "sync: the link is cut for a moment (bytes stand still), the events come in at central-1, the link is healed; from then \
                 until the last is stored at central-2",
                small,
            ),
        )
        .goal(Goal::AtMost(50.0)),
    );
    Ok(vec![section])
}

fn central(number: u16) -> Result<CentralId> {
    CentralId::new(number).context("no such central")
}

async fn history(lab: &Lab, at: CentralId, events: u64, seed: u64) -> Result<()> {
    let options = BackfillOptions { central: at, events, days: 3.0, origins: vec![at], seed };
    bring_in(&lab.file(), lab.layout(), &options).await.map(|_| ())
}

/// A thousand events after a cut so short that the link outlives it.
async fn small(
    lab: &Lab,
    eyes: &mut Eyes,
    from: CentralId,
    to: CentralId,
    rounds: usize,
) -> Result<Vec<f64>> {
    lab.wait_meshed().await?;
    let mut took = Vec::new();
    for round in 0..rounds {
        lab.partition(from, to, CutMode::Drop, false)?;
        history(lab, from, SMALL, 1000 + round as u64).await?;
        let all = eyes.held_at(0).await?;
        lab.heal(None)?;
        let begun = Instant::now();
        while eyes.held_at(1).await? < all {
            anyhow::ensure!(begun.elapsed() < Duration::from_secs(60), "the events do not arrive");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        took.push(begun.elapsed().as_secs_f64() * 1000.0);
        eyes.rows_made().await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(took)
}
