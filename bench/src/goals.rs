//! The table: each goal, its figure, and their ratio.

use std::fmt::Write;

/// The goal of a figure, or of its ratio to another.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// No goal: the figure is only shown.
    None,
}

impl Goal {
    fn is_met(self, value: f64) -> Option<bool> {
        match self {
            Self::AtLeast(least) => Some(value >= least),
            Self::AtMost(most) => Some(value <= most),
            Self::None => None,
        }
    }

    fn text(self, of: &str) -> String {
        match self {
            Self::AtLeast(least) => format!("≥ {} {of}", number(least)),
            Self::AtMost(most) => format!("≤ {} {of}", number(most)),
            Self::None => "–".to_owned(),
        }
    }
}

/// A line of the table.
pub(crate) struct Row {
    what: String,
    goal: String,
    figure: String,
    ratio: String,
    met: Option<bool>,
}

impl Row {
    /// A figure with a goal of its own.
    pub(crate) fn absolute(what: impl Into<String>, figure: f64, unit: &str, goal: Goal) -> Self {
        Self {
            what: what.into(),
            goal: goal.text(unit),
            figure: format!("{} {unit}", number(figure)),
            ratio: "–".to_owned(),
            met: goal.is_met(figure),
        }
    }

    /// A figure whose goal is a multiple of another one of the same run.
    pub(crate) fn relative(
        what: impl Into<String>,
        figure: f64,
        unit: &str,
        (other, name): (f64, &str),
        goal: Goal,
    ) -> Self {
        let ratio = figure / other;
        Self {
            what: what.into(),
            goal: goal.text(&format!("× {name}")),
            figure: format!("{} {unit}", number(figure)),
            ratio: format!("{ratio:.2} × {name}"),
            met: goal.is_met(ratio),
        }
    }
}

/// The results of a part: its lines of the table, and the details below it.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) rows: Vec<Row>,
    pub(crate) details: String,
}

impl Findings {
    pub(crate) fn add(&mut self, other: Self) {
        self.rows.extend(other.rows);
        if !other.details.is_empty() {
            self.details.push('\n');
            self.details.push_str(&other.details);
        }
    }
}

/// The table in Markdown.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = "| what | goal | figure | ratio | met |\n|---|---|--:|--:|---|\n".to_owned();
    for row in rows {
        let met = match row.met {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "–",
        };
        // writing to a string can't fail
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {met} |",
            row.what, row.goal, row.figure, row.ratio
        );
    }
    text
}

/// The median; of an even number of values, the mean of the middle two.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        even if even % 2 == 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

/// Two decimals without trailing zeros; none from 100 on.
fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 1000.0 => grouped(value),
        medium if medium >= 100.0 => format!("{value:.0}"),
        _ => {
            let text = format!("{value:.2}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    }
}

fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_exact_as_they_need_be() {
        let texts = [1_234_567.8, 1000.0, 123.4, 60.0, 3.0, 0.85].map(number);
        assert_eq!(texts, ["1,234,568", "1,000", "123", "60", "3", "0.85"]);
    }

    #[test]
    fn a_ratio_is_held_against_its_goal() {
        let row = Row::relative("x", 8.0, "/s", (4.0, "plain"), Goal::AtLeast(2.5));
        assert_eq!((row.ratio.as_str(), row.met), ("2.00 × plain", Some(false)));
    }
}
