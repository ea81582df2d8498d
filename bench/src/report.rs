//! The table: medians of the rounds, and ratios to the plain service of the same run.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::contender::Contender;
use crate::rounds::{Results, Round};

/// A round as it is finished.
pub(crate) fn line(round: &Round) -> String {
    format!(
        "{:>3} senders  {:<33} {:>7.0}/s  p50 {:>6.2} ms  p99 {:>6.2} ms",
        round.senders,
        round.contender.title(),
        round.outcome.per_second,
        round.outcome.p50_ms,
        round.outcome.p99_ms
    )
}

/// The whole report.
pub(crate) fn markdown(results: &Results) -> String {
    let machine = &results.machine;
    let mut text = String::new();
    let mut groups: BTreeMap<(usize, Contender), Vec<&Round>> = BTreeMap::new();
    for round in &results.rounds {
        groups.entry((round.senders, round.contender)).or_default().push(round);
    }
    let rounds = groups.values().map(Vec::len).max().unwrap_or_default();
    // writing to a string can't fail
    let _ = writeln!(
        text,
        "# Durable webhooks a second\n\n\
         {}; {} cores, {}, load average before {}; PostgreSQL {} ({}); {}.\n\
         Medians of {rounds} interleaved rounds of {} s, the warm-up left out; each round has a fresh database. Bodies of \
         {:.0} bytes on average, one signed webhook a request, every answer checked.\n\
         The plain service verifies the same signature and makes one INSERT per request through a pool of {} \
         connections{}.\n\
         `×` is the ratio to it; CPU is microseconds per webhook of server + database backends + load generator; lag is \
         how many events the projections were behind when the load ended.\n",
        machine.date,
        machine.cores,
        machine.cpu,
        machine.load_average,
        machine.postgres,
        machine.durability,
        machine.rustc,
        results.seconds,
        results.mean_body,
        results.plain_pool,
        if results.plain_ping {
            ", tested before each use"
        } else {
            ""
        },
    );
    let _ = writeln!(
        text,
        "| senders | | webhooks/s | × | lowest–highest | p50 ms | p99 ms | CPU µs | bytes/webhook | lag |\n\
         |--:|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    );
    for ((senders, contender), rounds) in &groups {
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
            if contender.over_http() && *contender != Contender::Plain {
                format!("{:.0}", of(|round| round.lag as f64))
            } else {
                "–".to_owned()
            },
        );
    }
    text
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        even if even % 2 == 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}
