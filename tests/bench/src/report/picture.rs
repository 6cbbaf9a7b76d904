//! The picture: a bar per number, ours above theirs, with smallest and largest of the rounds; and what wholes are made of.

use std::fmt::Write as _;

use super::table::number;
use super::{Goal, Parts, Report, Row, Side};

const WIDTH: f64 = 980.0;
/// Where bars begin and end; what is left of them are names, right of them values.
const LEFT: f64 = 330.0;
const RIGHT: f64 = 780.0;
const OURS: &str = "#1f6f8b";
const THEIRS: &str = "#c08a3e";
const PARTS: [&str; 9] =
    ["#1f6f8b", "#4b9ab0", "#8cc0cf", "#6a8f4e", "#a3bf7d", "#c08a3e", "#dcb878", "#9c5b6b", "#c79aa5"];

/// The report as SVG.
pub(super) fn draw(report: &Report) -> String {
    let mut canvas = Canvas { body: String::new(), y: 34.0 };
    canvas.text(16.0, 16.0, "bold", &format!("{}, revision {}", report.command, report.revision));
    canvas.y += 20.0;
    let m = &report.machine;
    canvas.text(16.0, 11.0, "normal", &format!("{} × {}; {}; {}", m.cores, m.cpu, m.postgres, report.at));
    canvas.y += 10.0;
    for section in &report.sections {
        canvas.y += 30.0;
        canvas.text(16.0, 14.0, "bold", &section.title);
        canvas.y += 6.0;
        for row in &section.rows {
            canvas.row(row);
        }
        for parts in &section.parts {
            canvas.parts(parts);
        }
    }
    canvas.y += 34.0;
    canvas.swatch(16.0, OURS, "ours");
    canvas.swatch(90.0, THEIRS, "theirs (competitor)");
    canvas.text(260.0, 11.0, "normal", "bar: median of the rounds; line: smallest to largest; dashes: goal");
    let height = canvas.y + 20.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{}</svg>\n",
        canvas.body
    )
}

struct Canvas {
    body: String,
    y: f64,
}

impl Canvas {
    fn text(&mut self, x: f64, size: f64, weight: &str, text: &str) {
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(
            self.body,
            "<text x=\"{x}\" y=\"{}\" font-size=\"{size}\" font-weight=\"{weight}\" fill=\"#222\">{}</text>",
            self.y,
            escape(text)
        );
    }

    fn swatch(&mut self, x: f64, colour: &str, name: &str) {
        let y = self.y - 10.0;
        let _ =
            writeln!(self.body, "<rect x=\"{x}\" y=\"{y}\" width=\"12\" height=\"12\" fill=\"{colour}\"/>");
        self.text(x + 17.0, 11.0, "normal", name);
    }

    fn row(&mut self, row: &Row) {
        let line = match row.goal {
            Some(Goal::AtMost(value) | Goal::AtLeast(value)) => Some(value),
            Some(Goal::Ratio(ratio) | Goal::RatioAtMost(ratio)) => {
                row.theirs.as_ref().map(|theirs| theirs.median * ratio)
            }
            None => None,
        };
        let sides: Vec<(&Side, &str)> =
            std::iter::once((&row.ours, OURS)).chain(row.theirs.iter().map(|side| (side, THEIRS))).collect();
        let highest = sides.iter().map(|(side, _)| side.max).chain(line).fold(0.0, f64::max);
        let scale = if highest > 0.0 { (RIGHT - LEFT) / highest } else { 0.0 };
        self.y += 12.0;
        let top = self.y;
        self.y += 11.0;
        self.text(16.0, 11.5, "normal", &format!("{} [{}]", row.what, row.unit));
        self.y = top;
        for (side, colour) in sides {
            self.bar(side, colour, scale);
            self.y += 17.0;
        }
        if let Some(value) = line {
            let x = LEFT + value * scale;
            let _ = writeln!(
                self.body,
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{}\" stroke=\"#b00\" stroke-dasharray=\"3 2\"/>",
                top - 2.0,
                self.y
            );
        }
    }

    fn bar(&mut self, side: &Side, colour: &str, scale: f64) {
        let (y, width) = (self.y, side.median * scale);
        let _ = writeln!(
            self.body,
            "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"14\" fill=\"{colour}\"/>"
        );
        if side.rounds.len() > 1 {
            let _ = writeln!(
                self.body,
                "<line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{2}\" y2=\"{2}\" stroke=\"#222\" stroke-width=\"1.5\"/>",
                LEFT + side.min * scale,
                LEFT + side.max * scale,
                y + 7.0
            );
        }
        let value = if side.rounds.is_empty() { "not measured".to_owned() } else { number(side.median) };
        self.y += 11.0;
        self.text(RIGHT + 10.0, 11.5, "normal", &value);
        self.y = y;
    }

    fn parts(&mut self, parts: &Parts) {
        let all: f64 = parts.parts.iter().map(|(_, value)| value.max(0.0)).sum();
        self.y += 24.0;
        self.text(16.0, 11.5, "normal", &format!("{}: {} {}", parts.whole, number(all), parts.unit));
        let (mut x, y) = (LEFT, self.y - 11.0);
        let colours = || PARTS.iter().cycle();
        for ((_, value), colour) in parts.parts.iter().zip(colours()) {
            let width = if all > 0.0 { value.max(0.0) / all * (RIGHT - LEFT) } else { 0.0 };
            let _ = writeln!(
                self.body,
                "<rect x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"16\" fill=\"{colour}\"/>"
            );
            x += width;
        }
        for (place, ((name, value), colour)) in parts.parts.iter().zip(colours()).enumerate() {
            if place % 3 == 0 {
                self.y += 17.0;
            }
            self.swatch(LEFT + (place % 3) as f64 * 210.0, colour, &format!("{name} {}", number(*value)));
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
