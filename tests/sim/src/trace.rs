//! What happened, for people. Off, it costs nothing: a failing seed is run again with it on.

use std::collections::VecDeque;

/// Lines kept when only the end is wanted.
const LAST: usize = 200;

/// See the module.
#[derive(Debug, Default)]
pub struct Trace {
    on: bool,
    lines: VecDeque<String>,
    all: bool,
}

impl Trace {
    /// A trace that keeps its last lines, or nothing.
    pub fn new(on: bool) -> Self {
        Self { on, ..Self::default() }
    }

    /// Keeps every line from now on.
    pub fn keep_all(&mut self) {
        self.on = true;
        self.all = true;
    }

    /// Adds a line.
    pub fn say(&mut self, now: i64, step: u64, line: impl FnOnce() -> String) {
        if !self.on {
            return;
        }
        if !self.all && self.lines.len() >= LAST {
            self.lines.pop_front();
        }
        self.lines.push_back(format!(
            "{:>9} {step:>7}  {}",
            format!("{}.{:03}s", now / 1000, now % 1000),
            line()
        ));
    }

    /// The lines.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }
}
