//! Reads at size: a ledger on PostgreSQL is filled over HTTP, and its views are then read as they are and as of earlier
//! moments, one call at a time.

use std::fmt::Write as _;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use rand::RngExt;
use sqlx::{Connection, PgConnection};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::child::Server;
use crate::database::Database;
use crate::load::{self, Window};
use crate::machine::Machine;
use crate::payloads::Payloads;

/// How the ledger is filled: so many senders, for so long at a time.
const SENDERS: usize = 64;
const FILL: Duration = Duration::from_secs(5);
/// More webhooks than any machine records in that time.
const PER_FILL: usize = 50_000;

#[derive(Args)]
pub(crate) struct AsOfArgs {
    /// Events that the ledger gets before it is read
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Calls of each kind
    #[arg(long, default_value_t = 2_000)]
    calls: usize,
    /// Where databases may be created
    #[arg(
        long,
        env = "BENCH_POSTGRES_URL",
        hide_env_values = true,
        default_value = "postgres://root@127.0.0.1:5432/postgres"
    )]
    postgres_url: String,
}

/// Fills a ledger, reads it and prints the table.
pub(crate) async fn run(args: AsOfArgs) -> anyhow::Result<()> {
    let machine = Machine::ask(&args.postgres_url).await?;
    let parent = std::env::current_exe()?
        .parent()
        .map_or_else(|| PathBuf::from("."), PathBuf::from);
    let database = Database::postgres(&args.postgres_url, &parent).await?;
    let arguments = [
        "service".to_owned(),
        format!("--database-url={}", database.url),
        format!("--data-dir={}", database.dir.path().display()),
    ];
    let mut server = Server::start(&arguments, database.dir.path())?;
    let address: SocketAddr = server.line().await?.parse()?;
    let token = std::fs::read_to_string(database.dir.path().join("admin.token"))?;
    let mut client = Client::connect(address, token.trim()).await?;

    let begun = Instant::now();
    let events = fill(address, args.events).await?;
    note(format_args!(
        "{events} events recorded in {:.0} s",
        begun.elapsed().as_secs_f64()
    ))?;
    let mut connection = PgConnection::connect(&database.url).await?;
    caught_up(&mut connection).await?;
    note(format_args!(
        "views caught up after {:.0} s",
        begun.elapsed().as_secs_f64()
    ))?;

    let orders: Vec<(String, i64)> =
        sqlx::query_as("SELECT order_id, first_position FROM orders ORDER BY random() LIMIT $1")
            .bind(i64::try_from(args.calls)?)
            .fetch_all(&mut connection)
            .await?;
    let domains: Vec<(String, i64)> =
        sqlx::query_as("SELECT domain, first_position FROM order_domains ORDER BY random() LIMIT $1")
            .bind(i64::try_from(args.calls)?)
            .fetch_all(&mut connection)
            .await?;
    let moment = |first: i64| rand::rng().random_range(first.unsigned_abs()..=events);
    let mut table = String::new();
    let live = |(id, _): &(String, i64)| format!("/api/v1/orders/{id}");
    client.many(&mut table, "an order", orders.iter().map(live)).await?;
    let earlier = |(id, first): &(String, i64)| format!("/api/v1/orders/{id}?asOf={}", moment(*first));
    client
        .many(
            &mut table,
            "an order as of an earlier position",
            orders.iter().map(earlier),
        )
        .await?;
    let changes = |(id, first): &(String, i64)| format!("/api/v1/orders/{id}/diff?from={first}");
    client
        .many(
            &mut table,
            "what changed in an order since its first event",
            orders.iter().map(changes),
        )
        .await?;
    let live = |(domain, _): &(String, i64)| format!("/api/v1/domains/{domain}/mailboxes");
    client
        .many(&mut table, "a domain's mailboxes", domains.iter().map(live))
        .await?;
    let earlier =
        |(domain, first): &(String, i64)| format!("/api/v1/domains/{domain}/mailboxes?asOf={}", moment(*first));
    client
        .many(
            &mut table,
            "a domain's mailboxes as of an earlier position",
            domains.iter().map(earlier),
        )
        .await?;
    let page = || "/api/v1/orders?status=fulfilled&limit=50".to_owned();
    client
        .many(&mut table, "a page of 50 orders", (0..args.calls).map(|_| page()))
        .await?;

    let early = events / 2;
    let first = client.until_there(&format!("/api/v1/orders?asOf={early}")).await?;
    line(
        &mut table,
        "a page of orders as of the middle of the log: the first call",
        1,
        first,
        first,
    );
    let later = client
        .until_there(&format!("/api/v1/orders?asOf={}", early + events / 100))
        .await?;
    line(
        &mut table,
        "… 1 % of the log later, from the snapshot before",
        1,
        later,
        later,
    );
    let again = || format!("/api/v1/orders?status=fulfilled&asOf={early}");
    client
        .many(
            &mut table,
            "… the first moment again, filtered",
            (0..args.calls).map(|_| again()),
        )
        .await?;

    server.stop().await?;
    database.drop_now().await?;
    write!(
        std::io::stdout(),
        "# Reads at {events} events\n\n{}; {} cores, {}, load average before {}; PostgreSQL {}; {}.\n\
         Over HTTP on one connection, one call at a time, random keys and moments.\n\n\
         | call | calls | p50 ms | p99 ms |\n|---|--:|--:|--:|\n{table}",
        machine.date,
        machine.cores,
        machine.cpu,
        machine.load_average,
        machine.postgres,
        machine.rustc,
    )?;
    Ok(())
}

fn note(text: std::fmt::Arguments<'_>) -> std::io::Result<()> {
    writeln!(std::io::stderr(), "{text}")
}

/// Sends webhooks until there are so many; tells how many there are.
async fn fill(address: SocketAddr, wanted: u64) -> anyhow::Result<u64> {
    let mut events = 0;
    for seed in 0.. {
        if events >= wanted {
            break;
        }
        let payloads = Payloads::of_plans(PER_FILL, PER_FILL, 7_000_000 + seed);
        let window = Window::starting_now(Duration::ZERO, FILL);
        let tally = load::over_http(address, SENDERS, &payloads, window).await?;
        events += tally.outcome(window).acknowledged;
        note(format_args!("{events} of {wanted} events"))?;
    }
    Ok(events)
}

/// Waits until every view is at the end of the log.
async fn caught_up(connection: &mut PgConnection) -> anyhow::Result<()> {
    const BEHIND: &str =
        "SELECT (SELECT position FROM head) - min(position) FROM projection_generations WHERE state = 'live'";
    loop {
        let behind: i64 = sqlx::query_scalar(BEHIND).fetch_one(&mut *connection).await?;
        if behind == 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

struct Client {
    stream: TcpStream,
    host: SocketAddr,
    token: String,
    answer: Vec<u8>,
}

impl Client {
    async fn connect(host: SocketAddr, token: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            host,
            token: token.to_owned(),
            answer: Vec::new(),
        })
    }

    /// How long a call takes; an error if it is not answered 200.
    async fn get(&mut self, path: &str) -> anyhow::Result<Duration> {
        let Self { host, token, .. } = self;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\r\n");
        let sent = Instant::now();
        self.stream.write_all(request.as_bytes()).await?;
        let body = load::read_answer(&mut self.stream, &mut self.answer).await?;
        ensure!(body.starts_with(b"{"), "{path} was not answered with an object");
        Ok(sent.elapsed())
    }

    /// Makes calls one after the other, and writes a line of the table.
    async fn many(
        &mut self,
        table: &mut String,
        title: &str,
        paths: impl Iterator<Item = String>,
    ) -> anyhow::Result<()> {
        let mut times = Vec::new();
        for path in paths {
            times.push(self.get(&path).await.with_context(|| path.clone())?);
        }
        times.sort_unstable();
        let percentile = |percent: usize| times.get(times.len().saturating_sub(1) * percent / 100).copied();
        let (p50, p99) = percentile(50)
            .zip(percentile(99))
            .context("there was nothing to call")?;
        line(table, title, times.len(), p50, p99);
        Ok(())
    }

    /// Calls until the answer is there, as a client does that is told to come again.
    async fn until_there(&mut self, path: &str) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        loop {
            match self.get(path).await {
                Ok(_) => return Ok(begun.elapsed()),
                Err(_) if self.answer.starts_with(b"HTTP/1.1 503 ") => {
                    tokio::time::sleep(Duration::from_millis(200)).await
                }
                Err(error) => return Err(error.context(path.to_owned())),
            }
        }
    }
}

fn line(table: &mut String, title: &str, calls: usize, p50: Duration, p99: Duration) {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    // writing to a string can't fail
    let _ = writeln!(table, "| {title} | {calls} | {:.2} | {:.2} |", ms(p50), ms(p99));
}
