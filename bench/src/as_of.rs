//! Reads on a large ledger: current views and earlier moments, one call at a time.

use std::fmt::Write;
use std::time::Duration;

use anyhow::Context;
use rand::RngExt;
use sqlx::{Connection, PgConnection};

use crate::child::Server;
use crate::client::Client;
use crate::goals::{Findings, Goal, Row};
use crate::options::Options;
use crate::prepared::Prepared;
use crate::progress::note;

/// Between two calls for a list that is being folded.
const PAUSE: Duration = Duration::from_millis(200);

/// One kind of call.
struct Calls {
    title: &'static str,
    times: Vec<Duration>,
}

impl Calls {
    fn percentile_ms(&self, percent: usize) -> f64 {
        let time = self.times.get(self.times.len().saturating_sub(1) * percent / 100);
        time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    }
}

pub(crate) async fn findings(options: &Options, ledger: &Prepared) -> anyhow::Result<Findings> {
    let dir = ledger.database.dir.path();
    let mut server = Server::service(&ledger.database.url, dir)?;
    let address = server.address().await?;
    let token = std::fs::read_to_string(dir.join("admin.token"))?;
    let mut client = Client::connect(address, token.trim()).await?;
    let one_by_one = keys(&mut client, options, ledger).await?;
    let lists = lists(&mut client, options, ledger).await?;
    server.stop().await?;

    let [order, order_then, _, domain, domain_then] = &one_by_one;
    let larger = |one: &Calls, other: &Calls| one.percentile_ms(99).max(other.percentile_ms(99));
    let rows = vec![
        Row::absolute("list reads, p99", lists[0].percentile_ms(99), "ms", Goal::AtMost(10.0)),
        Row::absolute("detail reads, p99", larger(order, domain), "ms", Goal::AtMost(10.0)),
        Row::absolute(
            "as-of of one key, p99",
            larger(order_then, domain_then),
            "ms",
            Goal::AtMost(50.0),
        ),
    ];
    let mut details = format!(
        "## Reads at {} events\n\nOver HTTP on one connection, one call at a time, random keys and moments.\n\n\
         | call | calls | p50 ms | p99 ms |\n|---|--:|--:|--:|\n",
        ledger.events
    );
    for calls in one_by_one.iter().chain(&lists) {
        writeln!(
            details,
            "| {} | {} | {:.2} | {:.2} |",
            calls.title,
            calls.times.len(),
            calls.percentile_ms(50),
            calls.percentile_ms(99)
        )?;
    }
    Ok(Findings { rows, details })
}

/// Reads of one order or domain.
async fn keys(client: &mut Client, options: &Options, ledger: &Prepared) -> anyhow::Result<[Calls; 5]> {
    let mut connection = PgConnection::connect(&ledger.database.url).await?;
    let mut chosen = async |sql: &'static str| -> anyhow::Result<Vec<(String, i64)>> {
        let limit = i64::try_from(options.calls())?;
        Ok(sqlx::query_as(sql).bind(limit).fetch_all(&mut connection).await?)
    };
    let orders = chosen("SELECT order_id, first_position FROM orders ORDER BY random() LIMIT $1").await?;
    let domains = chosen("SELECT domain, first_position FROM order_domains ORDER BY random() LIMIT $1").await?;
    let moment = |first: &i64| rand::rng().random_range(first.unsigned_abs()..=ledger.events);
    let order = |(id, _): &(String, i64)| format!("/api/v1/orders/{id}");
    let order_then = |(id, first): &(String, i64)| format!("/api/v1/orders/{id}?asOf={}", moment(first));
    let changes = |(id, first): &(String, i64)| format!("/api/v1/orders/{id}/diff?from={first}");
    let domain = |(name, _): &(String, i64)| format!("/api/v1/domains/{name}/mailboxes");
    let domain_then =
        |(name, first): &(String, i64)| format!("/api/v1/domains/{name}/mailboxes?asOf={}", moment(first));
    Ok([
        many(client, "an order", orders.iter().map(order)).await?,
        many(
            client,
            "an order as of an earlier position",
            orders.iter().map(order_then),
        )
        .await?,
        many(
            client,
            "what changed in an order since its first event",
            orders.iter().map(changes),
        )
        .await?,
        many(client, "a domain's mailboxes", domains.iter().map(domain)).await?,
        many(
            client,
            "a domain's mailboxes as of an earlier position",
            domains.iter().map(domain_then),
        )
        .await?,
    ])
}

/// Reads of pages.
async fn lists(client: &mut Client, options: &Options, ledger: &Prepared) -> anyhow::Result<[Calls; 4]> {
    let again = |path: String| std::iter::repeat_n(path, options.calls());
    let early = ledger.events / 2;
    let live = again("/api/v1/orders?status=fulfilled&limit=50".to_owned());
    let live = many(client, "a page of 50 orders", live).await?;
    let first = once(
        client,
        "a page of orders as of the middle of the log: the first call",
        format!("/api/v1/orders?asOf={early}"),
    )
    .await?;
    let later = once(
        client,
        "… 1 % of the log later, from the snapshot before",
        format!("/api/v1/orders?asOf={}", early + ledger.events / 100),
    )
    .await?;
    let filtered = again(format!("/api/v1/orders?status=fulfilled&asOf={early}"));
    let filtered = many(client, "… the first moment again, filtered", filtered).await?;
    Ok([live, first, later, filtered])
}

/// Makes calls one after the other.
async fn many(client: &mut Client, title: &'static str, paths: impl Iterator<Item = String>) -> anyhow::Result<Calls> {
    note(format_args!("  {title}"));
    let mut times = Vec::new();
    for path in paths {
        times.push(client.get(&path).await.with_context(|| path.clone())?);
    }
    times.sort_unstable();
    Ok(Calls { title, times })
}

/// Makes a call, and retries while the answer is 503.
async fn once(client: &mut Client, title: &'static str, path: String) -> anyhow::Result<Calls> {
    note(format_args!("  {title}"));
    let times = vec![client.until_there(&path, PAUSE).await?];
    Ok(Calls { title, times })
}
