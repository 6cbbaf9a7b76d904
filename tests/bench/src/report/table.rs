//! The table for people.

use std::fmt::Write as _;

use super::{Goal, Report, Row, Side};

/// The whole report. Also good Markdown.
pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    let m = &report.machine;
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}   revision {}, {}", report.command, report.revision, report.at);
    let _ = writeln!(
        text,
        "{} × {}, {} GiB, Linux {}, {}, {}",
        m.cores, m.cpu, m.memory_gib, m.kernel, m.postgres, m.nats
    );
    let _ = writeln!(
        text,
        "before the run others used {:.0} % of the CPUs; load before {}, after {}",
        m.busy_before * 100.0,
        m.load_before,
        m.load_after
    );
    for section in &report.sections {
        let _ = writeln!(text, "\n## {}\n", section.title);
        let lines: Vec<[String; 5]> = section.rows.iter().map(line).collect();
        if !lines.is_empty() {
            let head = ["what", "ours", "theirs", "ours / theirs", "goal"].map(str::to_owned);
            columns(&mut text, &head, &lines);
        }
        for parts in &section.parts {
            let all: f64 = parts.parts.iter().map(|(_, value)| value).sum();
            let each: Vec<String> =
                parts.parts.iter().map(|(name, value)| format!("{name} {}", number(*value))).collect();
            let _ = writeln!(text, "\n{} = {} {}: {}", parts.whole, number(all), parts.unit, each.join(", "));
        }
        let mut told: Vec<String> = Vec::new();
        for row in &section.rows {
            for side in std::iter::once(&row.ours).chain(&row.theirs) {
                if !side.how.is_empty() && !told.contains(&side.how) {
                    told.push(side.how.clone());
                }
            }
        }
        let _ = writeln!(text);
        for note in told.iter().chain(&section.notes) {
            let _ = writeln!(text, "- {note}");
        }
    }
    for failure in &report.failures {
        let _ = writeln!(text, "\nNOT MEASURED {failure}");
    }
    let (reached, judged) = report.goals();
    let _ = write!(text, "\n{reached} of {judged} goals reached");
    text
}

fn line(row: &Row) -> [String; 5] {
    let goal = row.goal.map_or(String::new(), |goal| {
        let wanted = match goal {
            Goal::AtMost(most) => format!("≤ {}", number(most)),
            Goal::AtLeast(least) => format!("≥ {}", number(least)),
            Goal::Ratio(least) => format!("ratio ≥ {}", number(least)),
            Goal::RatioAtMost(most) => format!("ratio ≤ {}", number(most)),
        };
        let verdict = match row.reached {
            Some(true) => "reached",
            Some(false) => "MISSED",
            None => "not judged",
        };
        format!("{wanted} {verdict}")
    });
    [
        format!("{}, {}", row.what, row.unit),
        side(&row.ours),
        row.theirs.as_ref().map(side).unwrap_or_default(),
        row.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
        goal,
    ]
}

/// Median, and smallest and largest of the rounds.
fn side(side: &Side) -> String {
    match side.rounds.len() {
        0 => "-".to_owned(),
        1 => number(side.median),
        n => format!("{} ({}–{}, n={n})", number(side.median), number(side.min), number(side.max)),
    }
}

/// As many digits as mean something.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => {
            let digits = format!("{value:.0}");
            let mut grouped = String::new();
            for (i, digit) in digits.chars().enumerate() {
                if i > 0 && digit.is_ascii_digit() && (digits.len() - i) % 3 == 0 && !grouped.ends_with('-') {
                    grouped.push(' ');
                }
                grouped.push(digit);
            }
            grouped
        }
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.4}"),
    }
}

fn columns(text: &mut String, head: &[String; 5], lines: &[[String; 5]]) {
    let width = |column: usize| {
        let cells = std::iter::once(head).chain(lines).filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: [usize; 5] = std::array::from_fn(width);
    let mut put = |cells: &[String; 5]| {
        for (cell, width) in cells.iter().zip(widths) {
            let _ = write!(text, "| {cell}{} ", " ".repeat(width - cell.chars().count()));
        }
        text.push_str("|\n");
    };
    put(head);
    put(&widths.map(|width| "-".repeat(width)));
    lines.iter().for_each(put);
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_have_the_digits_that_mean_something() {
        let shown = [0.0, 0.0123, 0.5, 12.34, 123.4, 1234.5, 1_234_567.0, -1234.0].map(number);
        assert_eq!(shown, ["0", "0.0123", "0.50", "12.3", "123", "1 234", "1 234 567", "-1 234"]);
    }
}
