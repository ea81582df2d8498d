//! The results of the rounds: medians, and ratios to the plain service of the same run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::contender::Contender;
use crate::folding::Folding;
use crate::goals::{Findings, Goal, Row, median};
use crate::round::{Results, Round};

/// The line of a finished round.
pub(crate) fn line(round: &Round) -> String {
    format!(
        "{:>3} senders  {:<37} {:>7.0}/s  p50 {:>6.2} ms  p99 {:>6.2} ms{}",
        round.senders,
        round.contender.title(),
        round.outcome.per_second,
        round.outcome.p50_ms,
        round.outcome.p99_ms,
        round.folding.map_or_else(String::new, |folding| format!(
            "  folded {:.0}/s, at most {:.1} s late, {} events behind at the end, caught up after {:.1} s",
            folding.per_second, folding.most_seconds, folding.lag, folding.caught_up_after
        ))
    )
}

type Groups<'a> = BTreeMap<(usize, Contender), Vec<&'a Round>>;

/// The lines of the table, and all measurements.
pub(crate) fn findings(results: &Results) -> Findings {
    let mut groups = Groups::new();
    for round in &results.rounds {
        groups.entry((round.senders, round.contender)).or_default().push(round);
    }
    Findings {
        rows: rows(&groups),
        details: details(results, &groups),
    }
}

/// The lines for which both sides were measured.
fn rows(groups: &Groups<'_>) -> Vec<Row> {
    use Contender::{
        HttpPostgres, HttpSqlite, LedgerPostgres, MixedPostgres, Plain, PlainDefault, PlainTogether, PostgresEs,
        PostgresEsView, TwoPostgres,
    };
    let of = |senders: usize, contender: Contender, value: fn(&Round) -> f64| {
        let rounds = groups.get(&(senders, contender))?;
        Some(median(rounds.iter().map(|round| value(round))))
    };
    let rate = |round: &Round| round.outcome.per_second;
    let p99 = |round: &Round| round.outcome.p99_ms;
    let bytes = |round: &Round| round.bytes;
    let most = groups.keys().map(|(senders, _)| *senders).max().unwrap_or_default();
    let goal_at = |senders| match senders {
        1 => Goal::AtLeast(0.9),
        16 => Goal::AtLeast(2.0),
        64 => Goal::AtLeast(3.0),
        _ => Goal::None,
    };
    let mut rows = Vec::new();
    let mut row = |what: String, unit, figure: Option<f64>, other: Option<f64>, name, goal| {
        if let (Some(figure), Some(other)) = (figure, other) {
            rows.push(Row::relative(what, figure, unit, (other, name), goal));
        }
    };
    let numbers: BTreeSet<usize> = groups.keys().map(|(senders, _)| *senders).collect();
    for &senders in numbers.iter().rev() {
        row(
            format!("durable webhooks over HTTP, PostgreSQL, senders: {senders}"),
            "/s",
            of(senders, HttpPostgres, rate),
            of(senders, Plain, rate),
            "plain",
            goal_at(senders),
        );
        for (other, name) in [
            (PlainDefault, "plain with sqlx's default pool"),
            (PlainTogether, "plain with INSERTs of all that wait"),
        ] {
            row(
                format!("… beside a plain service of another kind, senders: {senders}"),
                "/s",
                of(senders, HttpPostgres, rate),
                of(senders, other, rate),
                name,
                Goal::None,
            );
        }
    }
    let ours = |value| of(most, HttpPostgres, value);
    let plain = |value| of(most, Plain, value);
    row(
        format!("… p99, {most} senders"),
        "ms",
        ours(p99),
        plain(p99),
        "plain",
        Goal::AtMost(1.0),
    );
    row(
        "… with 5 % duplicates and 20 % events on existing streams".to_owned(),
        "/s",
        of(most, MixedPostgres, rate),
        ours(rate),
        "clean",
        Goal::AtLeast(0.8),
    );
    row(
        format!("durable webhooks over HTTP, SQLite, {most} senders"),
        "/s",
        of(most, HttpSqlite, rate),
        plain(rate),
        "plain on PostgreSQL",
        Goal::AtLeast(1.5),
    );
    row(
        format!("durable webhooks over HTTP, views folded, {most} senders"),
        "/s",
        ours(rate),
        of(most, PostgresEsView, rate),
        "postgres-es with one view, without HTTP",
        Goal::AtLeast(1.0),
    );
    row(
        "two processes on one PostgreSQL, order gap-free".to_owned(),
        "/s",
        of(most, TwoPostgres, rate),
        ours(rate),
        "one",
        Goal::AtLeast(1.0),
    );
    row(
        "bytes on disk per webhook, indexes included".to_owned(),
        "bytes",
        ours(bytes),
        plain(bytes),
        "plain",
        Goal::AtMost(1.3),
    );
    row(
        format!("appends without HTTP, {most} senders"),
        "/s",
        of(most, LedgerPostgres, rate),
        of(most, PostgresEs, rate),
        "postgres-es",
        Goal::None,
    );
    for (contender, store) in [(HttpPostgres, "PostgreSQL"), (HttpSqlite, "SQLite")] {
        rows.extend(sustained(groups, most, contender, store));
    }
    rows
}

/// The largest lag of the views, in seconds, at which a rate counts as sustained.
const SUSTAINED: f64 = 2.0;

/// The rate with the most senders, if the views kept up: recording slows down for them otherwise.
fn sustained(groups: &Groups<'_>, most: usize, contender: Contender, store: &str) -> Vec<Row> {
    let rounds = groups.get(&(most, contender)).map(Vec::as_slice).unwrap_or_default();
    let folded: Vec<&Folding> = rounds.iter().filter_map(|round| round.folding.as_ref()).collect();
    if folded.is_empty() {
        return Vec::new();
    }
    let of = |value: fn(&Folding) -> f64| median(folded.iter().map(|folding| value(folding)));
    let latest = folded.iter().map(|folding| folding.most_seconds).fold(0.0, f64::max);
    vec![
        Row::absolute(
            format!("sustained: folded into all views while {most} senders send, {store}"),
            of(|folding| folding.per_second),
            "/s",
            Goal::None,
        ),
        Row::absolute(
            format!("… the longest that an event waited for its views, {store}"),
            latest,
            "s",
            Goal::AtMost(SUSTAINED),
        ),
    ]
}

fn details(results: &Results, groups: &Groups<'_>) -> String {
    let rounds = groups.values().map(Vec::len).max().unwrap_or_default();
    let mut text = String::new();
    // writing to a string can't fail
    let _ = writeln!(
        text,
        "## Durable webhooks a second\n\n\
         Medians of {rounds} interleaved rounds of {} s, the warm-up left out; each round has a fresh database. Bodies of \
         {:.0} bytes on average, one signed webhook a request, every answer checked, every event counted in the database \
         and its positions found to be without gaps.\n\
         The plain service verifies the same signature and makes one INSERT per request through a pool of {} connections \
         that are not tested before each use; postgres-es has as many. With sqlx's default pool they are 10, and each is tested. \
         With INSERTs of all that wait it writes the same rows, but shares commits as we do, with two statements under way at a time: \
         what that gives whoever adds nothing to a row and its key.\n\
         `×` is the ratio to the plain service; CPU is microseconds per webhook of server + database backends + load generator. \
         warmledger folds its views beside, the plain services and `ledger alone` none: *folded* is how many events a second \
         entered all views within the rounds, *late* the longest that one waited for them in any round, *behind* how many were \
         missing when the load ended, and *caught up* how many seconds that took then.\n",
        results.seconds, results.mean_body, results.plain_pool,
    );
    let _ = writeln!(
        text,
        "| senders | | webhooks/s | × | lowest–highest | p50 ms | p99 ms | CPU µs | bytes/webhook | folded/s | late s | behind | caught up s |\n\
         |--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    );
    for ((senders, contender), rounds) in groups {
        let of = |value: fn(&Round) -> f64| median(rounds.iter().map(|round| value(round)));
        let rate = of(|round| round.outcome.per_second);
        let plain = groups.get(&(*senders, Contender::Plain));
        let plain = plain.map(|plain| median(plain.iter().map(|round| round.outcome.per_second)));
        let rates = rounds.iter().map(|round| round.outcome.per_second);
        let (lowest, highest) = rates.fold((f64::MAX, 0.0_f64), |(low, high), rate| (low.min(rate), high.max(rate)));
        let _ = writeln!(
            text,
            "| {senders} | {} | {rate:.0} | {} | {lowest:.0}–{highest:.0} | {:.2} | {:.2} | {:.0} + {:.0} + {:.0} | {:.0} | {} |",
            contender.title(),
            plain.map_or_else(|| "–".to_owned(), |plain| format!("{:.2}", rate / plain)),
            of(|round| round.outcome.p50_ms),
            of(|round| round.outcome.p99_ms),
            of(|round| round.cpu.server),
            of(|round| round.cpu.database),
            of(|round| round.cpu.load),
            of(|round| round.bytes),
            folding_columns(rounds),
        );
    }
    text
}

fn folding_columns(rounds: &[&Round]) -> String {
    let folded: Vec<&Folding> = rounds.iter().filter_map(|round| round.folding.as_ref()).collect();
    if folded.is_empty() {
        return "– | – | – | –".to_owned();
    }
    let of = |value: fn(&Folding) -> f64| median(folded.iter().map(|folding| value(folding)));
    let latest = folded.iter().map(|folding| folding.most_seconds).fold(0.0, f64::max);
    format!(
        "{:.0} | {latest:.1} | {:.0} | {:.1}",
        of(|folding| folding.per_second),
        of(|folding| folding.lag as f64),
        of(|folding| folding.caught_up_after)
    )
}
