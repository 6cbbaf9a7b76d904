//! What was measured, kept as JSON, shown as a table and a picture.

mod machine;
mod picture;
mod table;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::{Value, json};

use crate::stats::{median, spread};
use crate::{output, stats};

pub(crate) use machine::Machine;

/// One side of a comparison: what was run, and one value per round.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Side {
    pub(crate) how: String,
    pub(crate) rounds: Vec<f64>,
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Side {
    pub(crate) fn new(how: impl Into<String>, rounds: Vec<f64>) -> Self {
        let (min, max) = spread(&rounds);
        Self { how: how.into(), median: median(&rounds), min, max, rounds }
    }
}

/// What is to be reached.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    /// The median is this at most.
    AtMost(f64),
    /// The median is this at least.
    AtLeast(f64),
    /// Ours over theirs, of the medians, is this at least.
    Ratio(f64),
    /// Ours over theirs, of the medians, is this at most.
    RatioAtMost(f64),
}

/// One line: a number of ours, and theirs where there is one.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: Side,
    pub(crate) theirs: Option<Side>,
    /// Ours over theirs, of the medians.
    pub(crate) ratio: Option<f64>,
    pub(crate) goal: Option<Goal>,
    pub(crate) reached: Option<bool>,
}

impl Row {
    pub(crate) fn new(what: impl Into<String>, unit: &'static str, ours: Side) -> Self {
        Self { what: what.into(), unit, ours, theirs: None, ratio: None, goal: None, reached: None }
    }

    pub(crate) fn against(mut self, theirs: Side) -> Self {
        self.ratio = (theirs.median > 0.0).then(|| self.ours.median / theirs.median);
        self.theirs = Some(theirs);
        self
    }

    pub(crate) fn goal(mut self, goal: Goal) -> Self {
        self.reached = match goal {
            _ if self.ours.rounds.is_empty() => None,
            Goal::AtMost(most) => Some(self.ours.median <= most),
            Goal::AtLeast(least) => Some(self.ours.median >= least),
            Goal::Ratio(least) => self.ratio.map(|ratio| ratio >= least),
            Goal::RatioAtMost(most) => self.ratio.map(|ratio| ratio <= most),
        };
        self.goal = Some(goal);
        self
    }
}

/// What belongs together: rows, where the time goes, and what must be known to read them.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) rows: Vec<Row>,
    /// Named parts of a whole, each with its unit.
    pub(crate) parts: Vec<Parts>,
    pub(crate) notes: Vec<String>,
}

/// A whole and what it is made of.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Parts {
    pub(crate) whole: String,
    pub(crate) unit: &'static str,
    pub(crate) parts: Vec<(String, f64)>,
}

impl Section {
    pub(crate) fn new(name: &'static str, title: impl Into<String>) -> Self {
        Self { name, title: title.into(), ..Self::default() }
    }

    pub(crate) fn row(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

/// A run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) command: String,
    pub(crate) at: String,
    pub(crate) revision: String,
    pub(crate) machine: Machine,
    pub(crate) sections: Vec<Section>,
    /// What went wrong: whatever is named here has no numbers.
    pub(crate) failures: Vec<String>,
    /// More than fits a table.
    pub(crate) details: Value,
}

impl Report {
    /// An empty report of a run that begins now.
    pub(crate) async fn begin() -> Self {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let machine = Machine::look().await;
        if machine.busy_before > 0.15 {
            output::progress(format!(
                "others use {:.0} % of this machine's CPUs: the numbers will say little, ratios a little more",
                machine.busy_before * 100.0
            ));
        }
        Self {
            command: format!("./bench {}", words.join(" ")).trim_end().to_owned(),
            at: lab::clock::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            revision: machine::revision(),
            machine,
            sections: Vec::new(),
            failures: Vec::new(),
            details: json!({}),
        }
    }

    /// Adds what a part gave, or that it failed.
    pub(crate) fn take(&mut self, name: &str, outcome: Result<Vec<Section>>) {
        match outcome {
            Ok(sections) => self.sections.extend(sections),
            Err(error) => {
                output::progress(format!("{name} failed: {error:#}"));
                self.failures.push(format!("{name}: {error:#}"));
            }
        }
    }

    /// Whether everything was measured and every goal reached.
    pub(crate) fn goals(&self) -> (usize, usize) {
        let judged = || self.sections.iter().flat_map(|section| &section.rows).filter_map(|row| row.reached);
        (judged().filter(|reached| *reached).count(), judged().count())
    }

    /// Writes JSON, table and picture, and prints the table.
    pub(crate) fn end(mut self, folder: &Path, name: &str) -> Result<bool> {
        self.machine.look_again();
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let put = |ending: &str, text: String| -> Result<PathBuf> {
            let path = folder.join(format!("{name}.{ending}"));
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            Ok(path)
        };
        let table = table::render(&self);
        let json = put("json", serde_json::to_string_pretty(&self)?)?;
        let text = put("txt", table.clone())?;
        let picture = put("svg", picture::draw(&self))?;
        output::line(table);
        output::line(format!("kept in {}, {}, {}", json.display(), text.display(), picture.display()));
        Ok(self.failures.is_empty())
    }
}

/// A slope in words: per hour, with its interval.
pub(crate) fn slope_in_words(slope: Option<stats::Slope>, unit: &str) -> String {
    slope.map_or_else(
        || "too few samples for a slope".to_owned(),
        |line| {
            let verdict = if line.grows() { "grows" } else { "not above zero" };
            format!(
                "{:+.3} ± {:.3} {unit}/h (95 %, {} samples): {verdict}",
                line.slope, line.half_width, line.points
            )
        },
    )
}
