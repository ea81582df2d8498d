//! How many mailboxes each provider assigned in each month (UTC). Key: `<provider>/<year>-<month>`.
//!
//! A small projection from end to end: the worked example of `docs/adding-a-projection.md`.

use aggregates::{MailboxesAssigned, OrderEvent, Recorded};
use jiff::civil::Date;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};

use crate::{Column, Keys, Kind, Origin, Projection, Row, Value, Verdict};

/// The projection.
pub struct MonthlyMailboxes;

/// The assignments of one provider in one month.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Month {
    /// Webhooks with assignments.
    pub webhooks: u32,
    /// Domains in them.
    pub domains: u32,
    /// Mailboxes in them.
    pub mailboxes: u32,
}

/// The provider's name if the webhook does not name one.
const UNKNOWN: &str = "UNKNOWN";

fn provider(facts: &MailboxesAssigned) -> &str {
    facts.service_provider.as_ref().map_or(UNKNOWN, |provider| &provider.0)
}

/// The provider and the first day of the month.
fn split_key(key: &str) -> Option<(&str, Date)> {
    let (provider, month) = key.rsplit_once('/')?;
    Some((provider, format!("{month}-01").parse().ok()?))
}

impl Projection for MonthlyMailboxes {
    const NAME: &'static str = "monthly_mailboxes";
    const VERSION: u32 = 1;
    const COLUMNS: &'static [Column] = &[
        Column::new("service_provider", Kind::Text).indexed(),
        Column::new("month", Kind::Date).nullable().indexed(),
        Column::new("webhooks", Kind::Integer),
        Column::new("domains", Kind::Integer),
        Column::new("mailboxes", Kind::Integer),
    ];
    type View = Month;

    fn keys(event: &Recorded) -> Keys {
        let Some(OrderEvent::MailboxesAssigned(facts)) = event.order() else {
            return Keys::none();
        };
        let date = Offset::UTC.to_datetime(event.happened_at()).date();
        Keys::one(format!("{}/{:04}-{:02}", provider(facts), date.year(), date.month()))
    }

    fn origin(key: &str) -> Option<Origin> {
        split_key(key).map(|_| Origin::Log)
    }

    fn apply(view: &mut Month, _: &str, event: &Recorded) -> Verdict {
        if let Some(OrderEvent::MailboxesAssigned(facts)) = event.order() {
            let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
            view.webhooks += 1;
            view.domains += count(facts.domains.len());
            view.mailboxes += facts
                .domains
                .iter()
                .map(|domain| count(domain.mailboxes.len()))
                .sum::<u32>();
        }
        Verdict::Keep
    }

    fn columns(view: &Month, key: &str) -> Row {
        let (provider, month) = match split_key(key) {
            Some((provider, month)) => (provider, Value::Date(month)),
            None => (key, Value::Null),
        };
        vec![
            provider.into(),
            month,
            view.webhooks.into(),
            view.domains.into(),
            view.mailboxes.into(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::testing::{assigned, failed, given};

    #[test]
    fn mailboxes_are_counted_by_provider_and_month() {
        given::<MonthlyMailboxes>([
            assigned("E1", "O1")
                .domain("a.com", "S1", &["M1", "M2"])
                .provider("GOOGLE")
                .sent("2026-03-31T23:59:59Z"),
            assigned("E2", "O2")
                .domain("b.com", "S2", &["M3"])
                .provider("GOOGLE")
                .sent("2026-03-01T00:00:00Z"),
            assigned("E3", "O3")
                .domain("c.com", "S3", &["M4"])
                .provider("GOOGLE")
                .sent("2026-04-01T00:00:00Z"),
            assigned("E4", "O4")
                .domain("d.com", "S4", &["M5"])
                .sent("2026-03-01T00:00:00Z"),
        ])
        .then(
            "GOOGLE/2026-03",
            &Month {
                webhooks: 2,
                domains: 2,
                mailboxes: 3,
            },
        )
        .then_columns(
            "GOOGLE/2026-03",
            &[
                ("service_provider", "GOOGLE".into()),
                ("month", date(2026, 3, 1).into()),
                ("mailboxes", 3_i64.into()),
            ],
        )
        .then_columns("UNKNOWN/2026-03", &[("mailboxes", 1_i64.into())])
        .then_row_count(3);
    }

    #[test]
    fn a_failure_counts_nothing() {
        given::<MonthlyMailboxes>([failed("E1", "O1").fails("a.com", "Pool empty")]).then_no_rows();
    }

    #[test]
    fn the_guide_shows_this_file() {
        let guide = include_str!("../../docs/adding-a-projection.md");
        let code = include_str!("monthly_mailboxes.rs").split("#[cfg(test)]").next();
        assert!(code.is_some_and(|code| guide.contains(code.trim())));
    }
}
